"""What host and gateware tell each other about frames that are punted or injected, and about learned addresses."""

from amaranth.hdl import Shape
from amaranth.lib import data, enum

from ..headers import Drop
from ..params import Params
from ..tables.mac_entry import MacChange, MacKind

__all__ = [
    "CHANGES",
    "MAC_RECORD_BYTES",
    "PUNT_HEADER_BYTES",
    "REASONS",
    "InjectCommand",
    "MacRecord",
    "PuntHeader",
    "Reason",
    "RingPointer",
    "Time",
]


class Reason(enum.Enum, shape=5):
    """Why the host gets a frame. All values but three are those of :class:`Drop`."""

    FORWARDED = Drop.NONE.value
    """The frame went where it should; this is a copy."""
    RX_ERROR = Drop.RX_ERROR.value
    UNTAGGED = Drop.UNTAGGED.value
    LINK_LOCAL = Drop.LINK_LOCAL.value
    BAD_SOURCE = Drop.BAD_SOURCE.value
    UNKNOWN_TENANT = Drop.UNKNOWN_TENANT.value
    SPOOFED = Drop.SPOOFED.value
    POLICY = Drop.POLICY.value
    UNKNOWN_UNICAST = Drop.UNKNOWN_UNICAST.value
    REFLECTED = Drop.REFLECTED.value
    NOT_MINE = Drop.NOT_MINE.value
    UNKNOWN_TEP = Drop.UNKNOWN_TEP.value
    MALFORMED = Drop.MALFORMED.value
    SPLIT_HORIZON = Drop.SPLIT_HORIZON.value
    TOO_BIG = Drop.TOO_BIG.value
    NO_BUFFER = Drop.NO_BUFFER.value
    """Never: there is no frame to give."""
    ECN = Drop.ECN.value
    MAC_EVENT = 30
    """It is no frame: a :class:`MacRecord` stands in its place."""
    STORM = Drop.STORM.value
    DISCOVERY = 31
    """Neighbour discovery (RFC 4861) from the underlay, be it answered or :attr:`NOT_MINE`."""

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")


REASONS = 1 << Shape.cast(Reason).width
"""Width of a mask with one bit per reason."""

CHANGES = 1 << Shape.cast(MacChange).width
"""Width of a mask with one bit per change of a learned address."""


class Time(data.Struct):
    """Time of the TEP modulo eight seconds: enough to tell how long ago something was that the host fetches soon."""

    clocks: 29
    """Of the core, since the last strobe of ``second``."""
    seconds: 3


class PuntHeader(data.Struct):
    """Stands before every frame, or record, in the ring, in rows of its own."""

    length: 16
    """Octets of the whole frame, without FCS."""
    captured: 16
    """How many of them follow, from the first one on."""
    port: 8
    """It came in on; of an event: that of the entry."""
    reason: Reason
    reserved: 19
    time: Time
    """Of the verdict, or of the event."""


PUNT_HEADER_BYTES = Shape.cast(PuntHeader).width // 8


class MacRecord(data.Struct):
    """What became of a learned address."""

    mac: 48
    tenant: 12
    """By index."""
    change: MacChange
    kind: MacKind
    """What is behind the address now, or was until it was removed."""
    id: 12
    """See :class:`MacKind`."""
    reserved: 20


MAC_RECORD_BYTES = Shape.cast(MacRecord).width // 8


class RingPointer(data.StructLayout):
    """A row of the ring, and whether the lap is an odd one: equal pointers mean that the ring is empty."""

    def __init__(self, params: Params):
        super().__init__({"row": range(params.ring_rows), "lap": 1})


class InjectCommand(data.Struct):
    """Send ``length`` octets of the frame in the mailbox out of ``port``.

    Done once when ``number`` becomes another one; a command without octets, or for no port, does nothing.
    """

    length: 14
    port: 4
    number: 8
