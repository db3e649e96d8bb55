"""TEPs in memory with their agents, which tests let fail."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from opentep.gateware.params import Params
from opentep.host.agent import Agent, Report, reports
from opentep.host.controller import Repository
from opentep.host.controller.objects import Key
from opentep.host.driver import Driver
from opentep.host.fabric.source import read_source
from opentep.host.link.client import SessionLostError
from opentep.host.link.shadow import ShadowClient
from opentep.host.link.transport import TransportError
from opentep.host.registers import RegisterAccess
from opentep.host.store import open_store
from opentep.host.tables import Retag

__all__ = ["PARAMS", "Bench", "Rack", "bench", "until"]

PARAMS = Params(macs=64, tenants=16, lists=64, members=64, teps=16, rules=16)
DOCUMENT = """\
version: 1
teps:
  rack1:
    address: fd00:1::1
    link: {device: rack1}
    core: {macs: 64, tenants: 16, lists: 64, members: 64, teps: 16, rules: 16}
    ports:
      server: {role: access}
      uplink: {role: fabric, mac: 02:00:5e:01:00:01, next_hop: 02:00:5e:ff:01:fe}
  rack2:
    address: fd00:2::1
    link: {device: rack2}
    core: {macs: 64, tenants: 16, lists: 64, members: 64, teps: 16, rules: 16}
    ports:
      server: {role: access}
      uplink: {role: fabric, mac: 02:00:5e:02:00:01, next_hop: 02:00:5e:ff:02:fe}
tenants: {red: {oui: 12:00:01}, blue: {}}
vswitches: {sw1: {tep: rack1, port: server}, sw2: {tep: rack2, port: server}}
vms:
  a: {tenant: red, vswitch: sw1}
  b: {tenant: red, vswitch: sw2}
"""


class Rack:
    """A TEP and the wire to it, which can be cut."""

    def __init__(self, memory_device):
        self._new = memory_device
        self.params = PARAMS
        self.reset()
        self.cut = False
        self.fails: Callable[[], bool] = lambda: False
        self.session = 0

    def reset(self) -> None:
        """Power off and on."""
        self.device = self._new(self.params)
        self.session = getattr(self, "session", 0) + 1

    def execute(self, requests, session):
        if self.cut or self.fails():
            raise TransportError("the cable is cut")
        if session != self.session:
            raise SessionLostError("the TEP restarted")
        results = []
        for request in requests:
            if self.fails():
                raise TransportError("the cable is cut")
            results += self.device.execute([request])
        return results

    @contextmanager
    def connect(self) -> Iterator[Driver]:
        if self.cut:
            raise TransportError("cannot open: No such file")
        session = self.session
        rack = self

        class Client:
            def execute(self, requests):
                return rack.execute(requests, session)

        shadow = ShadowClient(Client())
        yield Driver(RegisterAccess(shadow), drain_seconds=0, retag_seconds=0.05, shadow=shadow)

    def plan(self, tables):
        return Driver(RegisterAccess(self.device), drain_seconds=0).plan(tables)

    @property
    def retag(self) -> Retag | None:
        """VLAN IDs of a VM that has two."""
        return Driver(RegisterAccess(self.device)).read_ports()[0].retag


class Bench:
    def __init__(self, location: str, racks: dict[str, Rack]):
        self.location = location
        self.racks = racks
        self.store = open_store(location)
        self.repository = Repository(self.store, "bench")
        self.repository.replace("import", read_source(DOCUMENT, "fabric.yaml"))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, run: Callable[[threading.Event], None]) -> None:
        if self._stop.is_set():
            self._stop = threading.Event()
        thread = threading.Thread(target=run, args=(self._stop,))
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        self._threads.clear()

    def connect(self, device: str, baud: int | None):
        return self.racks[device].connect()

    def agent(self, name: str = "rack1", **options) -> Agent:
        return Agent(name, self.location, connect=self.connect, **options)

    def said(self, name: str = "rack1") -> Report:
        return reports(self.repository).get(name, Report(name, 0, "", ""))

    def is_right(self, name: str = "rack1") -> bool:
        return not self.racks[name].plan(self.repository.tables(name).tables)

    def put(self, kind: str, name: str, spec) -> None:
        self.repository.edit("edit", lambda get: {Key(kind, name): spec})


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path, memory_device) -> Iterator[Bench]:
    racks = {name: Rack(memory_device) for name in ("rack1", "rack2")}
    bench = Bench(str(tmp_path / "fabric.db"), racks)
    with closing(bench.store):
        yield bench
        bench.stop()
