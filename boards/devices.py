"""The FPGAs that opentep is built for."""

from dataclasses import dataclass

__all__ = ["DEVICES", "Device"]


@dataclass(frozen=True)
class Device:
    """One part and speed grade, as nextpnr-ecp5 names it."""

    name: str
    option: str
    speed: int
    package: str
    lut4: int
    block_rams: int

    @property
    def options(self) -> list[str]:
        """Of nextpnr-ecp5."""
        return [self.option, "--speed", str(self.speed), "--package", self.package]


DEVICES = {
    device.name: device
    for device in (
        Device("LFE5U-25F-6", "--25k", 6, "CABGA256", 24_288, 56),
        Device("LFE5UM-45F-8", "--um-45k", 8, "CABGA381", 43_848, 108),
        Device("LFE5UM-85F-8", "--um-85k", 8, "CABGA756", 83_640, 208),
    )
}
