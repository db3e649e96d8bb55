"""Build parameters: what a core may be without."""

import pytest
from opentep.gateware.params import Params


@pytest.mark.parametrize("name", ["counted_teps", "counted_tenants", "known_addresses"])
@pytest.mark.parametrize("value", [-1, 8, 24, 8192, "16"])
def test_refuses(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Params(**{name: value})


def test_no_more_counters_than_parties():
    assert Params(teps=16).tep_counters == 16
    assert Params(counted_tenants=4096).tenant_counters == 1024
    assert Params(counted_teps=16).tep_counters == 16
    assert Params(counted_teps=0).tep_counters == 0
