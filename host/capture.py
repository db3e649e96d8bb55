"""Punted frames as a capture."""

from collections.abc import Callable, Iterator, Sequence

from opentep.gateware.headers import OUTER_BYTES, Drop, Encapsulation
from opentep.gateware.hostport.format import Reason
from opentep.host.diff import Names
from opentep.host.pcapng import PcapngWriter
from opentep.host.punt import PuntedFrame, Punts
from opentep.host.tables import TepTables
from opentep.host.tenant_keys import TenantKeys

__all__ = ["DROPS", "Describer", "capture"]

DROPS = frozenset(
    Reason(drop.value) for drop in Drop.__members__.values() if drop not in (Drop.NONE, Drop.NO_BUFFER)
)
"""Reasons for which a frame that went nowhere can be seen."""

_NEXT_HEADER = 20
"""Offset in a frame of the underlay."""
_TUNNELS = {kind.next_header: kind for kind in Encapsulation}


class Describer:
    """Says in words what became of a frame, by the names of ``tables``."""

    def __init__(self, tables: TepTables):
        self._ports = tables.ports
        self._names = Names(tables)
        self._keys = TenantKeys(tables)
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
        return self._keys.of_source(frame.port, octets)


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
