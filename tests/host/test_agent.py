"""Agents against TEPs in memory, through failures of everything around them."""

import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.gateware.events import counter_names
from opentep.gateware.params import Params
from opentep.host.agent import Agent, Metrics, Report, Supervisor, counted, reports
from opentep.host.cli import main
from opentep.host.controller import Repository
from opentep.host.controller.objects import Key
from opentep.host.driver import Driver
from opentep.host.fabric.source import read_source
from opentep.host.link.client import SessionLostError
from opentep.host.link.shadow import ShadowClient
from opentep.host.link.transport import TransportError
from opentep.host.registers import RegisterAccess
from opentep.host.store import StoreError, open_store
from opentep.host.tables import Retag
from opentep.host.vswitch import VSwitchError, VSwitchPlan, Wanted

from .controller.integrity import check_integrity
from .etcd_server import Etcd

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
        self.reset()
        self.cut = False
        self.fails: Callable[[], bool] = lambda: False
        self.session = 0

    def reset(self) -> None:
        """Power off and on."""
        self.device = self._new(PARAMS)
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


def test_changes_arrive(bench: Bench) -> None:
    bench.start(bench.agent().run)
    until(bench.is_right)
    for number in range(3):
        bench.put("vms", f"c{number}", {"tenant": "blue", "vswitch": "sw1"})
        until(bench.is_right)
    bench.put("vms", "a", None)
    until(bench.is_right)
    report = bench.said()
    assert (report.revision, report.error) == (bench.repository.revision, "")


def test_what_is_right_is_not_written(bench: Bench) -> None:
    bench.start(bench.agent().run)
    until(bench.is_right)
    bench.stop()
    before = bench.racks["rack1"].device.changes
    bench.start(bench.agent().run)
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw2"})
    until(lambda: bench.said().revision == bench.repository.revision)
    assert bench.racks["rack1"].device.changes == before, "a VM of another rack's tenant"


def test_a_cut_cable(bench: Bench) -> None:
    rack = bench.racks["rack1"]
    rack.cut = True
    bench.start(bench.agent().run)
    until(lambda: "cannot open" in bench.said().error)
    rack.cut = False
    until(bench.is_right)
    rack.cut = True
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw1"})
    until(lambda: "cut" in bench.said().error)
    rack.cut = False
    until(bench.is_right)
    until(lambda: bench.said().error == "")


def test_a_tep_that_restarts(bench: Bench) -> None:
    bench.start(bench.agent().run)
    until(bench.is_right)
    bench.racks["rack1"].reset()
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw1"})
    until(bench.is_right)


def test_what_others_wrote_is_mended(bench: Bench) -> None:
    bench.start(bench.agent(verify_seconds=0.1).run)
    until(bench.is_right)
    driver = Driver(RegisterAccess(bench.racks["rack1"].device))
    driver.registers.write("age_seconds", 7)
    until(bench.is_right)


def test_a_tep_that_does_not_fit_stays_as_it_is(bench: Bench) -> None:
    bench.start(bench.agent().run)
    until(bench.is_right)
    before = bench.racks["rack1"].device.changes
    for number in range(80):
        bench.put("vms", f"c{number}", {"tenant": "red", "vswitch": "sw2"})
    until(lambda: "room for 64" in bench.said().error)
    held = bench.racks["rack1"].device.changes
    bench.put("vms", "c0", None)
    for number in range(1, 80):
        bench.put("vms", f"c{number}", None)
    until(bench.is_right)
    assert before <= held


def test_all_teps_and_later_ones(bench: Bench) -> None:
    bench.start(Supervisor(bench.location, connect=bench.connect).run)
    until(lambda: bench.is_right("rack1") and bench.is_right("rack2"))
    bench.racks["rack3"] = bench.racks.pop("rack2")
    spec = bench.repository.get(Key("teps", "rack2")).spec
    bench.put("teps", "rack3", {**spec, "address": "fd00:3::1", "link": {"device": "rack3"}})
    until(lambda: bench.is_right("rack3"))


@pytest.mark.parametrize("seed", range(3))
def test_any_failures_at_any_time(bench: Bench, seed: int) -> None:
    """The cable fails between any two requests, the TEP restarts, the agent is replaced; afterwards all is right."""
    rng = random.Random(seed)
    rack = bench.racks["rack1"]
    bench.start(bench.agent(verify_seconds=0.3).run)
    for _ in range(12):
        odds = rng.choice((0, 0.003, 0.02))
        rack.fails = lambda odds=odds: rng.random() < odds
        name = f"c{rng.randrange(6)}"
        there = bench.repository.get(Key("vms", name)) is not None
        vm = {"tenant": rng.choice(("red", "blue")), "vswitch": rng.choice(("sw1", "sw2"))}
        bench.put("vms", name, None if there and rng.randrange(2) else vm)
        if rng.randrange(4) == 0:
            rack.reset()
        if rng.randrange(4) == 0:
            bench.stop()
            bench.start(bench.agent(verify_seconds=0.3).run)
        time.sleep(rng.random() * 0.2)
    rack.fails = lambda: False
    until(bench.is_right)
    bench.stop()
    assert bench.is_right()


def test_vswitches_follow_their_tep(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[bool, dict[str, int]]] = []
    broken = threading.Event()

    class FakeDriver:
        def __init__(self, wanted: Wanted):
            self.vlans = {attachment.vm: attachment.vlan for attachment in wanted.attachments}

        def apply(self) -> VSwitchPlan:
            if broken.is_set():
                raise VSwitchError("no answer of OVSDB")
            told.append((bench.is_right(), self.vlans))
            return VSwitchPlan(())

    monkeypatch.setattr("opentep.host.agent.agent.driver_for", FakeDriver)
    place = {"tep": "rack1", "port": "server"}
    bench.put("vswitches", "sw1", {**place, "driver": "ovs", "ovsdb": "unix:/none", "uplink": "eth1"})
    bench.start(bench.agent(verify_seconds=0.2).run)
    until(lambda: bool(told))
    assert told[-1] == (True, {"a": 2}), "after the TEP, and only its own"
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw1"})
    until(lambda: told[-1] == (True, {"a": 2, "c": 3}))
    broken.set()
    until(lambda: bench.said().error == "vSwitch sw1: no answer of OVSDB")
    broken.clear()
    until(lambda: bench.said().error == "")
    count = len(told)
    until(lambda: len(told) > count)  # VMs may be plugged in at any time


class Switches:
    """vSwitches in memory, of any name: VLAN ID by VM, and whether the TEP held two for one VM when it was told."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        self.vlans: dict[str, dict[str, int]] = {}
        self.pairs: list[tuple[str, Retag | None]] = []
        self.broken: set[str] = set()
        switches = self

        class FakeDriver:
            def __init__(self, wanted: Wanted):
                self.wanted = wanted

            def apply(self) -> VSwitchPlan:
                if self.wanted.vswitch.name in switches.broken:
                    raise VSwitchError("no answer of OVSDB")
                name, tep = self.wanted.vswitch.name, self.wanted.vswitch.tep
                vlans = {attachment.vm: attachment.vlan for attachment in self.wanted.attachments}
                if switches.vlans.get(name) != vlans:
                    switches.vlans[name] = vlans
                    switches.pairs.append((name, bench.racks[tep].retag))
                return VSwitchPlan(())

        monkeypatch.setattr("opentep.host.agent.agent.driver_for", FakeDriver)
        for number in (1, 2):
            place = {"tep": f"rack{number}", "port": "server"}
            bench.put(
                "vswitches",
                f"sw{number}",
                {**place, "driver": "ovs", "ovsdb": "unix:/none", "uplink": "eth1"},
            )


@pytest.fixture
def switches(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Switches:
    return Switches(bench, monkeypatch)


def migrate(bench: Bench, *options: str, code: int = 0) -> str:
    result = CliRunner().invoke(
        main, ["--store", bench.location, "vm", "migrate", "a", "--to", "sw2", *options]
    )
    assert result.exit_code == code, result.output
    return result.output


def test_a_vm_migrates(bench: Bench, switches: Switches) -> None:
    assert "no agent has spoken of TEP 'rack2'" in migrate(bench, code=1)
    bench.start(bench.agent("rack1").run)
    bench.start(bench.agent("rack2").run)
    until(lambda: switches.vlans == {"sw1": {"a": 2}, "sw2": {"b": 2}} and bench.said("rack2").revision > 0)
    assert "nothing was stored" in migrate(bench, "--dry-run")
    assert "vlan: 3 (allocated)" in migrate(bench, "--prepare")
    assert switches.vlans == {"sw1": {"a": 2}, "sw2": {"b": 3}}
    assert switches.pairs[-1] == ("sw2", Retag(2, 3)), "the TEP took both"
    assert bench.racks["rack2"].retag is None and bench.is_right("rack2")
    assert "VM a is at vSwitch sw2" in migrate(bench)
    assert switches.vlans == {"sw1": {}, "sw2": {"a": 2, "b": 3}}
    assert bench.is_right("rack1") and bench.is_right("rack2")
    revision = bench.repository.revision
    assert json.loads(migrate(bench, "--json")) == {"revision": revision, "stored": True, "changes": []}


def test_a_migration_waits_for_the_vswitch_and_goes_on(bench: Bench, switches: Switches) -> None:
    bench.start(bench.agent("rack2", verify_seconds=0.1).run)
    until(lambda: switches.vlans == {"sw2": {"b": 2}} and bench.said("rack2").revision > 0)
    switches.broken.update(("sw1", "sw2"))
    assert "no answer of OVSDB" in migrate(bench, "--wait", "1", code=1)
    assert bench.racks["rack2"].retag == Retag(2, 3), "both stay valid"
    assert bench.repository.get(Key("vms", "a")).spec["vswitch"] == "sw1"
    bench.stop()
    switches.broken.clear()
    bench.start(bench.agent("rack2", verify_seconds=0.1).run)
    migrate(bench)
    assert switches.vlans["sw2"] == {"a": 2, "b": 3} and bench.racks["rack2"].retag is None


def test_a_vm_leaves_a_dead_vswitch(bench: Bench, switches: Switches) -> None:
    for rack in bench.racks:
        bench.start(bench.agent(rack).run)
    until(lambda: all(bench.said(rack).revision for rack in bench.racks))
    switches.broken.add("sw1")
    assert "VM a is at vSwitch sw2" in migrate(bench, "--wait", "10")
    assert switches.vlans["sw2"] == {"a": 2, "b": 3}
    assert bench.is_right("rack1") and bench.is_right("rack2")


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 30))]
)
def test_migrations_through_any_failures(bench: Bench, switches: Switches, seed: int) -> None:
    """Cables, TEPs, agents, vSwitches and the command itself fail at any point; in the end the VM is there, nobody has
    two VLAN IDs any more, and all TEPs are right."""
    rng = random.Random(seed)
    agents = [bench.agent(rack, verify_seconds=0.2) for rack in bench.racks]
    for agent in agents:
        bench.start(agent.run)
    until(lambda: all(bench.said(rack).revision for rack in bench.racks))
    for _ in range(6):
        odds = rng.choice((0, 0.003, 0.02))
        for rack in bench.racks.values():
            rack.fails = lambda odds=odds: rng.random() < odds
        if rng.randrange(3) == 0:
            switches.broken.update(("sw1", "sw2"))
        if rng.randrange(3) == 0:
            bench.racks[rng.choice(("rack1", "rack2"))].reset()
        if rng.randrange(3) == 0:
            bench.stop()
            for agent in agents:
                bench.start(agent.run)
        arguments = ["--store", bench.location, "vm", "migrate", "a", "--to", rng.choice(("sw1", "sw2"))]
        CliRunner().invoke(main, [*arguments, "--wait", str(rng.random())])
        switches.broken.clear()
    for rack in bench.racks.values():
        rack.fails = lambda: False
    migrate(bench)
    until(lambda: bench.is_right("rack1") and bench.is_right("rack2"))
    until(lambda: switches.vlans["sw1"] == {} and set(switches.vlans["sw2"]) == {"a", "b"})
    assert [rack.retag for rack in bench.racks.values()] == [None, None]
    vlans = {name: vid for name, (_, vid) in bench.repository.allocations().vlans.items()}
    assert switches.vlans["sw2"] == vlans and len(set(vlans.values())) == 2


def test_metrics(bench: Bench) -> None:
    metrics = Metrics()
    port = metrics.serve("127.0.0.1", 0)

    def scraped() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()

    assert "opentep_up" in scraped()
    rack = bench.racks["rack1"]
    counters = rack.device.memory_map["counters"].start
    names = counter_names(PARAMS)
    for name, value in (("port[0].rx_frames", 7), ("port[1].unknown-tep", 5), ("mac.learned", 3)):
        rack.device.words[counters + 2 * names.index(name)] = value
    bench.start(bench.agent(metrics=metrics, count_seconds=0.05).run)
    until(lambda: "opentep_port_frames_total" in scraped() and "server" in scraped())
    (told,) = counted(bench.repository).values()
    assert told.counters["ports"]["server"]["rx_frames"] == 7, "and for everybody who looks into the store"
    text = scraped()
    assert 'opentep_up{tep="rack1"} 1.0' in text
    assert 'opentep_port_frames_total{direction="rx",port="server",tep="rack1"} 7.0' in text
    assert 'opentep_drops_total{port="uplink",reason="unknown-tep",tep="rack1"} 5.0' in text
    assert 'opentep_mac_events_total{event="learned",tep="rack1"} 3.0' in text
    assert 'opentep_tunnel_frames_total{direction="tx",remote="rack2",tep="rack1"} 0.0' in text
    rack.cut = True
    until(lambda: 'opentep_up{tep="rack1"} 0.0' in scraped())
    assert "server" not in scraped(), "stale counters would look like silence"


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_etcd_is_killed(tmp_path: Path, memory_device, kills: int) -> None:
    """At any moment, while somebody changes the fabric: what was told to be stored is stored, TEPs keep what they hold,
    and their agents go on when it is back."""
    rng = random.Random(kills)
    server = Etcd(tmp_path)
    server.start()
    bench = Bench(
        f"etcd://127.0.0.1:{server.port}/fabric", {name: Rack(memory_device) for name in ("rack1", "rack2")}
    )
    told: dict[str, list] = {}
    """What VMs may be: the last one that was stored, and the one that was not if that failed."""
    ending = threading.Event()

    def change() -> None:
        while not ending.is_set():
            name = f"c{rng.randrange(8)}"
            spec = rng.choice((None, {"tenant": "blue", "vswitch": rng.choice(("sw1", "sw2"))}))
            told.setdefault(name, [None]).append(spec)
            with suppress(StoreError):
                bench.put("vms", name, spec)
                told[name] = [spec]

    editor = threading.Thread(target=change)
    try:
        for rack in bench.racks:
            bench.start(bench.agent(rack, verify_seconds=0.5).run)
        until(lambda: all(bench.said(rack).revision for rack in bench.racks))
        editor.start()
        for _ in range(kills):
            time.sleep(rng.random())
            server.kill()
            held = {rack: dict(bench.racks[rack].device.macs) for rack in bench.racks}
            time.sleep(0.3)
            for rack in bench.racks:
                assert bench.racks[rack].device.macs == held[rack], "TEPs keep what they hold"
            server.start()
        ending.set()
        editor.join(60)
        assert not editor.is_alive()
        for name, specs in told.items():
            stored = bench.repository.get(Key("vms", name))
            assert (stored.spec if stored else None) in specs
        check_integrity(bench.repository)
        until(lambda: bench.is_right("rack1") and bench.is_right("rack2"), 60)
    finally:
        ending.set()
        bench.stop()
        bench.store.close()
        server.kill()
