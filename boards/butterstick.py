"""Greg Davill's ButterStick: an ECP5-85 and one Gigabit PHY."""

from amaranth.build import Attrs
from amaranth_boards.butterstick import ButterStickPlatform
from amaranth_boards.resources import UARTResource

from . import phys
from .board import Board, EthernetPort
from .resources import with_attrs
from .sizes import SIZES_85F

__all__ = ["BUTTERSTICK"]


class _Platform(ButterStickPlatform):
    resources = (
        # Edges as LiteX has them (litex_boards/platforms/gsd_butterstick.py).
        *(
            with_attrs(r, "tx_clk", "tx_ctl", "tx_data", SLEWRATE="FAST") if r.name == "eth_rgmii" else r
            for r in ButterStickPlatform.resources
            if not r.name.startswith("sd_card")
        ),
        # The pins of the SYZYGY connectors have no voltage before it is set, those of the card slot always 3.3 V.
        UARTResource(0, tx="A12", rx="C12", attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")),
    )


BUTTERSTICK = Board(
    name="butterstick",
    title="ButterStick r1.0",
    platform=_Platform,
    oscillator_hz=30_000_000,
    ports=(EthernetPort(0),),
    phy=phys.BUTTERSTICK,
    sizes=SIZES_85F,
    timing_model="LFE5UM-85F-8",
    loader=("--cable", "ft2232"),
)
