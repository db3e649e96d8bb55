"""Punted frames as a capture."""

from collections.abc import Callable, Iterator, Sequence

from opentep.gateware.headers import ETHERTYPE_VLAN, OUTER_BYTES, Drop, Encapsulation
from opentep.gateware.hostport.format import Reason
from opentep.gateware.lookup.tables import masked_key
from opentep.host.diff import Names
from opentep.host.pcapng import PcapngWriter
from opentep.host.punt import PuntedFrame, Punts
from opentep.host.tables import TepTables

__all__ = ["DROPS", "Describer", "capture"]

DROPS = frozenset(
    Reason(drop.value) for drop in Drop.__members__.values() if drop not in (Drop.NONE, Drop.NO_BUFFER)
)
"""Reasons for which a frame that went nowhere can be seen."""

_NEXT_HEADER = 20
"""Offset in a frame of the underlay."""
_TAGGED = ETHERTYPE_VLAN.to_bytes(2, "big")
_TUNNELS = {kind.next_header: kind for kind in Encapsulation}


class Describer:
    """Says in words what became of a frame, by the names of ``tables``."""

    def __init__(self, tables: TepTables):
        self._ports = tables.ports
        self._names = Names(tables)
        self._tenants = [
            {key: tenant.index for tenant in tables.tenants for key in tenant.keys(port.key_mask)}
            for port in tables.ports
        ]
        self._networks = {tenant.network: tenant.index for tenant in tables.tenants if tenant.network}

    def port(self, index: int) -> str:
        return self._names.port(index)

    def describe(self, frame: PuntedFrame) -> str:
        """The verdict, the port that the frame came in on, and the sender's tenant if there is one."""
        match frame.reason:
            case Reason.FORWARDED:
                verdict = "forwarded"
            case Reason.DISCOVERY:
                verdict = "neighbour discovery"
            case reason:
                verdict = f"dropped: {reason.label}"
        text = f"{verdict}, in on {self.port(frame.port)}"
        tenant = self._tenant(frame)
        return text if tenant is None else f"{text}, tenant {self._names.tenant(tenant)}"

    def _tenant(self, frame: PuntedFrame) -> int | None:
        port, octets = self._ports[frame.port], frame.octets
        if port.role == "fabric":
            kind = _TUNNELS.get(octets[_NEXT_HEADER]) if len(octets) > _NEXT_HEADER else None
            if kind is None:
                return None
            start = OUTER_BYTES + kind.overhead
            if kind.has_network:
                return self._networks.get(int.from_bytes(octets[start - 4 : start - 1], "big"))
            octets = octets[start:]
        tagged = octets[12:14] == _TAGGED
        vid = int.from_bytes(octets[14:16], "big") & 0xFFF if tagged else port.native_vid
        key = masked_key(port.key_mask, mac=int.from_bytes(octets[6:12], "big"), vid=vid)
        return self._tenants[frame.port].get(key)


def capture(
    punts: Punts, writer: PcapngWriter, describe: Callable[[PuntedFrame], str], count: int | None = None
) -> Iterator[int]:
    """Write what ``punts`` yields; after each look tell how many frames there are so far. Ends after ``count``."""
    total = 0
    while total != count:
        frames: Sequence[PuntedFrame] = punts.fetch()
        if count is not None:
            frames = frames[: count - total]
        for frame in frames:
            writer.write(frame.port, frame.time, frame.octets, frame.length, describe(frame))
        total += len(frames)
        yield total
