"""Build parameters: what a core may be without."""

import pytest
from opentep.gateware.params import Params


@pytest.mark.parametrize("name", ["counted_teps", "counted_tenants", "storm_tenants", "known_addresses"])
@pytest.mark.parametrize("value", [-1, 8, 24, 8192, "16"])
def test_refuses(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Params(**{name: value})


def test_every_port_has_room_for_a_frame():
    assert Params(packet_bytes=2048, access_ports=4, fabric_ports=4).cells == 16
    with pytest.raises(ValueError, match="packet_bytes must be at least 4096 with 16 ports"):
        Params(packet_bytes=2048, access_ports=8, fabric_ports=8)


def test_no_more_counters_than_parties():
    assert Params(teps=16).tep_counters == 16
    assert Params(counted_tenants=4096).tenant_counters == 1024
    assert Params(counted_teps=16).tep_counters == 16
    assert Params(counted_teps=0).tep_counters == 0


def test_storm_control_has_time_for_all() -> None:
    assert Params(storm_tenants=4096, tenants=4096).limited_tenants == 4096
    assert Params(storm_tenants=64, tenants=16).limited_tenants == 16
    with pytest.raises(ValueError, match="clock_hz allows for 2034 storm_tenants, not 4096"):
        Params(storm_tenants=4096, clock_hz=50_000_000)
