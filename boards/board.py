"""What one board differs in from the others."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from amaranth.lib import io
from amaranth.vendor import LatticeECP5Platform

from ..gateware.params import Params
from ..gateware.phy.description import PhyDescription
from .clocking import core_clock_hz

__all__ = ["Board", "EthernetPort", "Led"]


@dataclass(frozen=True)
class EthernetPort:
    """A PHY on RGMII: a resource ``eth_rgmii`` of the platform, on the MDIO bus of the port before if it has no pins
    for one."""

    number: int
    """Of the resource."""
    control: str = "ctl"
    """How the resource calls RX_CTL and TX_CTL behind the underscore."""


@dataclass(frozen=True)
class Led:
    """An LED that shows a port: lit while the link is up, dark for a moment with a frame."""

    resource: str
    number: int
    member: str | None = None
    """Of a resource of several colours."""

    def port(self, platform: LatticeECP5Platform) -> io.PortLike:
        """The pin; requests it."""
        pins = platform.request(self.resource, self.number, dir="-")
        return pins if self.member is None else getattr(pins, self.member)


@dataclass(frozen=True)
class Board:
    """A board that a TEP can be built for.

    With one port, it is a trunk: tagged frames are the access port's, untagged ones the fabric port's. With two, the
    first is the access port.
    """

    name: str
    """As ``opentep build`` takes it."""
    title: str
    """As people call it."""
    platform: Callable[[], LatticeECP5Platform]
    """Makes the Amaranth platform: device, pins, clocks."""
    oscillator_hz: int
    ports: tuple[EthernetPort, ...]
    phy: PhyDescription
    """What all ports have."""
    sizes: Params
    """Default build parameters; the clock is :attr:`params`' concern."""
    timing_model: str
    """Key of :data:`.devices.DEVICES`: the device whose timing the build is judged by."""
    loader: tuple[str, ...]
    """Arguments of openFPGALoader that choose board or cable."""
    core_hz: int = 85_000_000
    """Highest frequency of the core's clock; what the PLL makes of it is a little less."""
    baud: int = 3_000_000
    """Of the host link."""
    leds: tuple[Led, ...] = ()
    """One per port at most."""

    @property
    def is_trunk(self) -> bool:
        return len(self.ports) == 1

    @property
    def params(self) -> Params:
        """Default build parameters."""
        return replace(self.sizes, clock_hz=core_clock_hz(self.oscillator_hz, self.core_hz))
