"""Tenants of frames, by ports with different keys."""

import pytest
from opentep.host.tables import KeyMask, Port, Tenant, TepTables
from opentep.host.tenant_keys import TenantKeys
from opentep.sim.packets import ethernet, tag

RED, BLUE = 0x120001000001, 0x120002000001
UNTAGGED = ethernet(BLUE, RED, 0x0800, bytes(46))


def keys(port: Port) -> TenantKeys:
    tenants = (Tenant(5, "red", (0x120001,), vlan=10), Tenant(6, "blue", (0x120002,), vlan=20))
    return TenantKeys(TepTables("rack1", 1, (port,), tenants))


def test_by_oui() -> None:
    by_oui = keys(Port("server", "access"))
    assert (by_oui.of_source(0, UNTAGGED), by_oui.of_destination(0, UNTAGGED)) == (5, 6)
    assert by_oui.of_source(0, ethernet(RED, 0x120003000001, 0x0800, bytes(46))) is None


@pytest.mark.parametrize(("vid", "tenant"), [(10, 5), (20, 6), (30, None), (0, 6), (4095, 6), (None, 6)])
def test_by_vlan(vid: int | None, tenant: int | None) -> None:
    """Without a VLAN ID of its own a frame is in the native VLAN."""
    by_vlan = keys(Port("server", "access", native_vid=20, key_mask=KeyMask(mac=0, vid=0xFFF)))
    frame = UNTAGGED if vid is None else tag(UNTAGGED, vid, 5)
    assert by_vlan.of_source(0, frame) == by_vlan.of_destination(0, frame) == tenant
