"""What a board says about its PHYs."""

from dataclasses import dataclass

__all__ = ["PhyDescription", "RegisterWrite"]


@dataclass(frozen=True)
class RegisterWrite:
    """A write at start-up. Bits of the register outside ``mask`` stay as they are."""

    register: int
    value: int
    mask: int = 0xFFFF

    def __post_init__(self) -> None:
        if not 0 <= self.register < 32:
            raise ValueError(f"register must be from 0 to 31, not {self.register}")
        if not 0 <= self.mask < 1 << 16:
            raise ValueError(f"mask must have 16 bits, not {self.mask:#x}")
        if self.value & ~self.mask:
            raise ValueError(f"value {self.value:#x} has bits outside the mask {self.mask:#x}")


@dataclass(frozen=True)
class PhyDescription:
    """A PHY as it is used on a board; several on one MDIO bus are alike."""

    name: str
    reset_us: int | None
    """For which the reset pin is held. None: never, as where the board's clock comes from the PHY."""
    settle_us: int
    """From then on until MDIO may be used."""
    rx_delay_ps: int
    """Of the FPGA's RGMII input (``RgmiiPads``)."""
    tx_delay_ps: int
    """Of the FPGA's RGMII clock output."""
    addresses: tuple[int, ...] | None = None
    """Addresses on MDIO, port by port; None: those at which PHYs answer, in ascending order."""
    first_address: int = 0
    """From which on PHYs are looked for where ``addresses`` are not given. Not 0 for those that all answer there."""
    writes: tuple[RegisterWrite, ...] = ()
    """At start-up, after the reset, in this order."""

    def __post_init__(self) -> None:
        if (self.reset_us is not None and self.reset_us < 1) or self.settle_us < 1:
            raise ValueError(
                f"reset_us and settle_us must be at least 1, not {self.reset_us}, {self.settle_us}"
            )
        for address in (self.first_address, *(self.addresses or ())):
            if not 0 <= address < 32:
                raise ValueError(f"an address must be from 0 to 31, not {address}")
