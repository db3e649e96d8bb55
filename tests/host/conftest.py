"""What tests of the host share: a TEP's register space in memory, and real servers."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from opentep.host.store import open_store
from opentep.sim.fleet.etcd import Etcd
from opentep.sim.fleet.memory_device import MemoryDevice

from .vtep.controller import IS_INSTALLED, Vtep

# A busy machine is no failure.
settings.register_profile("host", deadline=None, max_examples=60)
settings.load_profile("host")


@pytest.fixture
def memory_device() -> type[MemoryDevice]:
    return MemoryDevice


@pytest.fixture(scope="session")
def etcd(tmp_path_factory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["sqlite", "etcd"])
def location(request, tmp_path) -> str:
    """Where a new store is to be."""
    if request.param == "sqlite":
        return str(tmp_path / "fabric.db")
    port = request.getfixturevalue("etcd").port
    return f"etcd://127.0.0.1:{port}/{tmp_path.name}-{tmp_path.parent.name}"


@pytest.fixture
def store(location):
    with closing(open_store(location)) as opened:
        yield opened


@pytest.fixture
def vtep(tmp_path: Path) -> Iterator[Vtep]:
    if not IS_INSTALLED:
        pytest.skip("Debian's openvswitch-vtep is not installed")
    instance = Vtep(tmp_path)
    try:
        yield instance
    finally:
        instance.kill()
