"""How big a frame the tunnel to its destination takes."""

from functools import cached_property

from opentep.gateware.headers import IPV6_BYTES
from opentep.host.tables import MacTableEntry, Remote, RemoteTep, TepTables
from opentep.host.tenant_keys import TenantKeys

__all__ = ["TunnelRoom"]


class TunnelRoom:
    """Of the remote TEPs of ``tables``."""

    def __init__(self, tables: TepTables):
        self._tables = tables

    def for_frame(self, port: int, frame: bytes) -> int | None:
        """Octets, without tag and FCS, of the largest frame that can go where ``frame``, which came in on ``port``,
        should have gone; ``None`` if that is not behind another TEP.

        A remote TEP that is reached in several ways takes what the narrowest does, as a VM remembers one MTU for all
        flows to an address. Whoever was learned behind a TEP, the tables do not know: the narrowest of all then.
        """
        tenant = self._keys.of_destination(port, frame)
        entry = self._entries.get((tenant, int.from_bytes(frame[:6], "big")))
        if entry is None:
            return min((self._room(tep) for tep in self._tables.teps if tep.sources), default=None)
        return self._room(self._teps[entry.place.tep]) if isinstance(entry.place, Remote) else None

    def _room(self, tep: RemoteTep) -> int:
        mtu = min(self._tables.ports[way.port].mtu for way in tep.ways)
        return mtu - IPV6_BYTES - tep.encapsulation.overhead

    # The table may be large, and most of the time no frame is too big.

    @cached_property
    def _keys(self) -> TenantKeys:
        return TenantKeys(self._tables)

    @cached_property
    def _entries(self) -> dict[tuple[int | None, int], MacTableEntry]:
        return {(entry.tenant, entry.mac): entry for entry in self._tables.macs}

    @cached_property
    def _teps(self) -> dict[int, RemoteTep]:
        return {tep.index: tep for tep in self._tables.teps}
