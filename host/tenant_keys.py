"""Whose a MAC address is, and a frame's VLAN, as a TEP's access ports tell it."""

from opentep.gateware.headers import ETHERTYPE_VLAN
from opentep.gateware.lookup.tables import masked_key
from opentep.host.tables import TepTables

__all__ = ["TenantKeys"]

_TAG = ETHERTYPE_VLAN.to_bytes(2, "big")
_NO_VLAN = (0, 4095)
"""Such a tag has only a priority."""


class TenantKeys:
    """Of the ports and tenants of ``tables``."""

    def __init__(self, tables: TepTables):
        self._ports = tables.ports
        self._tenants = [
            {key: tenant.index for tenant in tables.tenants for key in tenant.keys(port.key_mask)}
            for port in tables.ports
        ]

    def of_source(self, port: int, frame: bytes) -> int | None:
        """Index of the tenant that ``frame`` comes from, by the key of ``port``."""
        return self._find(port, frame, 6)

    def of_destination(self, port: int, frame: bytes) -> int | None:
        """Index of the tenant that ``frame`` is for."""
        return self._find(port, frame, 0)

    def _find(self, port: int, frame: bytes, offset: int) -> int | None:
        mac = int.from_bytes(frame[offset : offset + 6], "big")
        key = masked_key(self._ports[port].key_mask, mac=mac, vid=self._vid(port, frame))
        return self._tenants[port].get(key)

    def _vid(self, port: int, frame: bytes) -> int:
        native = self._ports[port].native_vid
        if frame[12:14] != _TAG:
            return native
        vid = int.from_bytes(frame[14:16], "big") & 0xFFF
        return native if vid in _NO_VLAN else vid
