"""Agents against TEPs in memory, through failures of everything around them."""

import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from opentep.gateware.events import counter_names
from opentep.gateware.tables.mac_entry import MacKind
from opentep.host.agent import (
    Agent,
    Metrics,
    Report,
    Supervisor,
    backoff,
    counted,
    learned,
    reports,
    what_is_missing,
)
from opentep.host.agent.backoff import Backoff
from opentep.host.agent.learned import Learned
from opentep.host.controller.objects import Key
from opentep.host.driver import Driver
from opentep.host.inject import InjectError
from opentep.host.punt import Punts, Selection
from opentep.host.registers import RegisterAccess
from opentep.host.store import Store, StoreError
from opentep.host.vswitch import VSwitchError, VSwitchPlan, Wanted
from opentep.sim.fleet.etcd import Etcd
from opentep.sim.packets import ethernet, ipv6, tag

from .agent_bench import PARAMS, Bench, Rack, bench, until
from .controller.integrity import check_integrity
from .too_big.host_port import HostPort

__all__ = ["bench"]


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
    bench.start(bench.agent(too_big=False).run)
    until(bench.is_right)
    bench.stop()
    before = bench.racks["rack1"].device.changes
    bench.start(bench.agent(too_big=False).run)
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
    until(lambda: bench.said().error == "")
    rack.cut = True
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw1"})
    until(lambda: bench.said().error != "")
    rack.cut = False
    until(bench.is_right)
    until(lambda: bench.said().error == "")


def test_a_tep_that_restarts(bench: Bench) -> None:
    bench.start(bench.agent().run)
    until(bench.is_right)
    bench.racks["rack1"].reset()
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw1"})
    until(bench.is_right)


def too_big_frame(bench: Bench, to: int) -> bytes:
    """From the VM on the first rack to the one on the second, at another IP address each time."""
    vms = bench.repository.tables("rack1").fabric.vms
    packet = ipv6(0xFD10 << 112 | 1, 0xFD10 << 112 | to, 17, bytes(1500))
    return tag(ethernet(vms["b"].mac, vms["a"].mac, 0x86DD, packet), vms["a"].vlan)


def test_vms_whose_packets_are_too_big_are_told(bench: Bench) -> None:
    metrics = Metrics()
    bench.start(bench.agent(count_seconds=0.1, metrics=metrics).run)
    rack = bench.racks["rack1"]

    def answers(to: int) -> bool:
        """Whether the agent answers what comes now, in time for a connection to go on as if nothing were."""
        port = HostPort(rack.device)
        until(lambda: port.punt(0, too_big_frame(bench, to)))
        until(lambda: bool(port.sent))
        (sent,) = port.sent
        return sent[0] == 0 and int.from_bytes(sent[1][62:66], "big") == 1446

    assert answers(2)
    until(lambda: counted(bench.repository)["rack1"].counters["too_big"] == {"answered": 1})
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw1"})
    until(bench.is_right)
    assert answers(3), "also after a change, which may have asked for other frames"
    rack.reset()
    assert answers(4), "also after it was away"
    until(lambda: counted(bench.repository)["rack1"].counters["too_big"] == {"answered": 3})
    told = {sample.name: sample.value for family in metrics.collect() for sample in family.samples}
    assert told["opentep_too_big_events_total"] == 3


def test_a_capture_takes_what_the_host_hears_only_for_a_while(bench: Bench) -> None:
    bench.start(bench.agent().run)
    rack = bench.racks["rack1"]
    wants = HostPort(rack.device)
    until(lambda: wants.punt(0, too_big_frame(bench, 2)))
    until(lambda: len(wants.sent) == 1)
    rack.session += 1  # somebody else has the link
    Punts(RegisterAccess(rack.device)).select(Selection())
    until(lambda: wants.punt(0, too_big_frame(bench, 3)))
    until(lambda: len(wants.sent) == 2)


def test_nobody_is_told_if_that_is_not_wanted(bench: Bench) -> None:
    bench.start(bench.agent(too_big=False).run)
    until(bench.is_right)
    until(lambda: bool(counted(bench.repository)))
    assert not HostPort(bench.racks["rack1"].device).punt(0, too_big_frame(bench, 2))


def test_what_others_wrote_is_mended(bench: Bench) -> None:
    bench.start(bench.agent(verify_seconds=0.1).run)
    until(bench.is_right)
    driver = Driver(RegisterAccess(bench.racks["rack1"].device))
    driver.registers.write("age_seconds", 7)
    until(bench.is_right)


def test_a_tep_that_does_not_fit_stays_as_it_is(bench: Bench) -> None:
    bench.start(bench.agent(too_big=False).run)
    until(bench.is_right)
    before = bench.racks["rack1"].device.changes
    keys = [Key("vms", f"c{number}") for number in range(80)]
    bench.repository.edit("add", lambda get: {key: {"tenant": "red", "vswitch": "sw2"} for key in keys})
    until(lambda: "room for 64" in bench.said().error)
    assert bench.racks["rack1"].device.changes == before
    bench.repository.edit("remove", lambda get: dict.fromkeys(keys))
    until(bench.is_right)


def test_a_change_is_a_reason_to_try_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is waited for no longer than until the document is mended."""
    monkeypatch.setattr(backoff, "_FIRST_DELAY", 1000.0)
    keys = [Key("vms", f"c{number}") for number in range(80)]
    bench.repository.edit("add", lambda get: {key: {"tenant": "red", "vswitch": "sw2"} for key in keys})
    bench.start(bench.agent().run)
    until(lambda: "room for 64" in bench.said().error)
    bench.repository.edit("remove", lambda get: dict.fromkeys(keys))
    until(bench.is_right)


def test_a_share_that_does_not_compile_is_not_told_as_reached(bench: Bench) -> None:
    bench.start(bench.agent().run)
    until(lambda: bench.said().revision == bench.repository.revision)
    spec = bench.repository.get(Key("teps", "rack1")).spec
    ports = {**spec["ports"], "uplink": {"role": "fabric", "mac": "02:00:5e:01:00:01"}}
    bench.put("teps", "rack1", {**spec, "ports": ports})
    until(lambda: "next_hop" in bench.said().error)
    assert bench.said().revision == 0
    assert "next_hop" in what_is_missing(bench.repository, "rack1")
    bench.put("teps", "rack1", spec)
    until(lambda: what_is_missing(bench.repository, "rack1") == "")


def test_what_the_store_did_not_take_is_said_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.start(bench.agent().run)
    until(lambda: bench.said().revision == bench.repository.revision)
    store, failures = Report.store, [StoreError("etcd is away")]

    def failing(report: Report, into: Store) -> None:
        if failures:
            raise failures.pop()
        store(report, into)

    monkeypatch.setattr(Report, "store", failing)
    bench.put("vms", "c", {"tenant": "red", "vswitch": "sw1"})
    until(lambda: bench.said().revision == bench.repository.revision)
    assert not failures


def test_a_tep_that_is_taken_out_of_the_store_is_let_go(bench: Bench) -> None:
    metrics = Metrics()
    connected = threading.Event()

    @contextmanager
    def connect(device: str, baud: int | None) -> Iterator[Driver]:
        with bench.connect(device, baud) as driver:
            connected.set()
            yield driver
        connected.clear()

    bench.put("vms", "b", None)
    agent = Agent("rack1", bench.location, connect=connect, metrics=metrics)
    bench.start(agent.run)
    until(lambda: bench.said().revision == bench.repository.revision and bool(counted(bench.repository)))
    for kind, name in (("vms", "a"), ("vswitches", "sw1"), ("teps", "rack1")):
        bench.put(kind, name, None)
    until(lambda: not connected.is_set())
    until(lambda: "rack1" not in reports(bench.repository))
    bench.stop()
    assert bench.store.notes("counters/") == {}
    assert not any(family.samples for family in metrics.collect()), "no alarm for what is no more"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InjectError("the port takes no frames"), "the port takes no frames"),
        (KeyError("nix"), "internal error, please report it: KeyError: 'nix'"),
    ],
)
def test_what_fails_for_good_is_told_and_tried_less_and_less(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    delays: list[float] = []

    def apply(*_: object, **__: object) -> None:
        raise error

    def wait(self: Backoff, pause: Callable[[float], bool] | None = None) -> None:
        delays.append(self._delay)
        real_wait(self, pause)

    real_wait = Backoff.wait
    monkeypatch.setattr(Backoff, "wait", wait)
    with monkeypatch.context() as patched:
        patched.setattr(Driver, "apply", apply)
        bench.start(bench.agent(count_seconds=0.05).run)
        until(lambda: bench.said().error == told)
        until(lambda: len(delays) == 3)
    assert delays == [0.2, 0.4, 0.8]
    until(lambda: bench.said().error == "")
    rack = bench.racks["rack1"]
    rack.cut = True
    until(lambda: len(delays) == 4)
    assert delays[3] == 0.2, "after a success"


def test_all_teps_and_later_ones(bench: Bench) -> None:
    bench.start(Supervisor(bench.location, connect=bench.connect).run)
    until(lambda: bench.is_right("rack1") and bench.is_right("rack2"))
    bench.racks["rack3"] = bench.racks.pop("rack2")
    spec = bench.repository.get(Key("teps", "rack2")).spec
    bench.put("teps", "rack3", {**spec, "address": "fd00:3::1", "link": {"device": "rack3"}})
    until(lambda: bench.is_right("rack3"))


def test_a_tep_that_comes_back_while_its_agent_ends(
    bench: Bench, memory_device, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, end = threading.Event(), threading.Event()
    forget = Learned.forget

    def slowly(learned: Learned) -> None:
        ending.set()
        end.wait(30)
        forget(learned)

    monkeypatch.setattr(Learned, "forget", slowly)
    bench.put("vms", "b", None)
    spec = bench.repository.get(Key("teps", "rack1")).spec
    bench.start(Supervisor(bench.location, connect=bench.connect).run)
    until(bench.is_right)
    for kind, name in (("vms", "a"), ("vswitches", "sw1"), ("teps", "rack1")):
        bench.put(kind, name, None)
    assert ending.wait(30)
    bench.racks["rack1"].reset()
    bench.racks["rack3"] = Rack(memory_device)
    bench.put("teps", "rack1", spec)
    bench.put("teps", "rack3", {**spec, "address": "fd00:3::1", "link": {"device": "rack3"}})
    until(lambda: bench.is_right("rack3"))
    end.set()
    until(bench.is_right)


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
    until(lambda: told[-1:] == [(True, {"a": 2})])
    assert told[0] == (False, {"a": 2}), "before, too: who else has that VLAN ID lets go; and only its own"
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw1"})
    until(lambda: told[-1] == (True, {"a": 2, "c": 3}))
    broken.set()
    until(lambda: bench.said().error == "vSwitch sw1: no answer of OVSDB")
    broken.clear()
    until(lambda: bench.said().error == "")
    count = len(told)
    until(lambda: len(told) > count)  # VMs may be plugged in at any time


def test_whom_it_learned_is_told(bench: Bench) -> None:
    """Once a tenant learns; and nothing any more when none does."""
    device = bench.racks["rack1"].device
    bench.start(bench.agent(learn_seconds=0.05).run)
    until(bench.is_right)
    assert learned(bench.repository) == {}
    bench.put("tenants", "red", {"oui": "12:00:01", "source": "learn"})
    until(lambda: learned(bench.repository) == {"rack1": []})
    tables = bench.repository.tables("rack1").tables
    (red,) = (tenant.index for tenant in tables.tenants if tenant.name == "red")
    device.learn(red, 0x120001000077, {"kind": MacKind.LOCAL, "port": 0, "id": 9})
    device.learn(red, 0x120001000078, {"kind": MacKind.REMOTE, "port": 1, "id": tables.teps[0].index})
    entry = {"tenant": "red", "mac": "12:00:01:00:00:77", "port": "server", "vlan": 9}
    until(lambda: learned(bench.repository) == {"rack1": [entry]})
    bench.put("tenants", "red", {"oui": "12:00:01"})
    until(lambda: learned(bench.repository) == {})


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
    for name, value in (
        ("port[0].rx_frames", 7),
        ("port[1].unknown-tep", 5),
        ("port[1].rx_overflow", 4),
        ("mac.learned", 3),
        ("punt.lost", 2),
    ):
        rack.device.words[counters + 2 * names.index(name)] = value
    bench.start(bench.agent(metrics=metrics, count_seconds=0.05).run)
    until(lambda: "opentep_port_frames_total" in scraped() and "server" in scraped())
    (told,) = counted(bench.repository).values()
    assert told.counters["ports"]["server"]["rx_frames"] == 7, "and for everybody who looks into the store"
    text = scraped()
    assert 'opentep_up{tep="rack1"} 1.0' in text
    assert 'opentep_port_frames_total{direction="rx",port="server",tep="rack1"} 7.0' in text
    assert 'opentep_drops_total{port="uplink",reason="unknown-tep",tep="rack1"} 5.0' in text
    assert 'opentep_drops_total{port="uplink",reason="rx_overflow",tep="rack1"} 4.0' in text
    assert 'opentep_mac_events_total{event="learned",tep="rack1"} 3.0' in text
    assert 'opentep_punt_events_total{event="lost",tep="rack1"} 2.0' in text
    assert 'opentep_tunnel_frames_total{direction="tx",remote="rack2",tep="rack1"} 0.0' in text
    rack.cut = True
    until(lambda: 'opentep_up{tep="rack1"} 0.0' in scraped())
    assert "server" not in scraped(), "stale counters would look like silence"


def test_a_tep_that_is_not_there_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    agents = threading.Thread(target=Supervisor(str(tmp_path / "fabric.db"), ("nix",)).run, args=(stop,))
    agents.start()
    try:
        until(lambda: "there is no TEP 'nix' in" in caplog.text)
    finally:
        stop.set()
        agents.join()


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_etcd_is_killed(tmp_path: Path, memory_device, caplog: pytest.LogCaptureFixture, kills: int) -> None:
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
            # What an agent read before, it may still write.
            missed = len(caplog.records)
            until(lambda: bench.racks.keys() <= {record.args[0] for record in caplog.records[missed:]})  # noqa: B023
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
