"""Boards that the tests share."""

from collections.abc import Iterator

import pytest
from opentep.gateware.params import Params
from opentep.sim.bench.rig import Rig


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The default build."""
    with Rig(Params()) as rig:
        yield rig


@pytest.fixture(scope="session")
def wide_rig() -> Iterator[Rig]:
    """Three access ports, for a mesh."""
    with Rig(Params(access_ports=3)) as rig:
        yield rig
