"""The gateware withstands; what would be wrong is found, made small, and shown again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.gateware.params import Params
from opentep.host.cli.main import main
from opentep.host.driver import Driver
from opentep.host.link.client import LinkTimeoutError
from opentep.host.punt import Punts
from opentep.host.tables import Local, MacTableEntry, Port, Rule, TepTables
from opentep.sim.fuzz.adversary import Adversary, Shot
from opentep.sim.fuzz.campaign import reproducer_of, run_round, shown, tables_of
from opentep.sim.fuzz.reproducer import Reproducer, ReproducerError, minimise
from opentep.sim.fuzz.trial import Finding, Kind, Trial, share, volleys
from opentep.sim.model import TepModel
from opentep.sim.model.reason import Reason
from opentep.sim.packets import ethernet, tag
from opentep.sim.random_tables import Learning, random_tables

PARAMS = Params()


@pytest.mark.parametrize("seed", range(1, 4))
def test_withstands(seed: int) -> None:
    result = run_round(PARAMS, 4000, seed)
    assert result.finding is None, result.finding
    assert result.shots == 4000
    assert result.delivered > 1000


def test_shots_reach_every_rule_and_every_length() -> None:
    seen: Counter[str] = Counter()
    lengths = set()
    for seed in range(20):
        tables = tables_of(seed, PARAMS)
        model = TepModel(tables)
        adversary = Adversary(tables, random.Random(seed))
        for _ in range(1500):
            shot = adversary.shot()
            lengths.add(len(shot.frame))
            seen["delivered"] += len(model.receive(shot.port, shot.frame, error=shot.error))
        for port in model.counters()["ports"].values():
            seen.update(port["drops"])
    # The model has memory for all, and tenants have no limits here.
    reasons = set(Reason) - {Reason.NO_BUFFER, Reason.STORM}
    assert all(seen[reason.value] > 20 for reason in reasons), seen
    assert seen["delivered"] > 3000
    assert set(range(1, 150)) <= lengths


def without_rules(tables: TepTables) -> TepTables:
    return replace(tables, rules=())


def with_all_rules(tables: TepTables) -> TepTables:
    pairs = {Rule(a.index, b.index) for a in tables.tenants for b in tables.tenants if a != b}
    return replace(tables, rules=tuple(sorted(pairs)))


def with_another_tenant_there(tables: TepTables) -> TepTables:
    """One VM's place is thought to be another tenant's VM's."""
    local = [entry for entry in tables.macs if isinstance(entry.place, Local)]
    one = local[0]
    other = next(entry for entry in local if entry.tenant != one.tenant)

    def swapped(entry: MacTableEntry) -> MacTableEntry:
        places = {one: other.place, other: one.place}
        return replace(entry, place=places.get(entry, entry.place))

    return replace(tables, macs=tuple(map(swapped, tables.macs)))


def with_a_blind_bit(tables: TepTables) -> TepTables:
    """What two tenants are told apart by on ports that go by the whole VLAN ID."""
    pairs = combinations((tenant.vlan for tenant in tables.tenants), 2)
    bit = next((one ^ other for one, other in pairs if (one ^ other).bit_count() == 1), 0)

    def blind(port: Port) -> Port:
        mask = port.key_mask
        return replace(port, key_mask=replace(mask, vid=mask.vid & ~bit)) if mask.vid == 0xFFF else port

    return replace(tables, ports=tuple(map(blind, tables.ports)))


def seed_with(condition) -> int:  # type: ignore[no-untyped-def]
    return next(seed for seed in range(100) if condition(tables_of(seed, PARAMS)))


def two_tenants_here(tables: TepTables) -> bool:
    return len({entry.tenant for entry in tables.macs if isinstance(entry.place, Local)}) > 1


def shows(tables: TepTables, believed: TepTables) -> bool:
    """Some shots are forwarded otherwise."""
    adversary = Adversary(tables, random.Random(1))
    right, wrong = TepModel(tables), TepModel(believed)
    shots = (adversary.shot() for _ in range(1000))
    differ = (
        right.receive(shot.port, shot.frame, error=shot.error)
        != wrong.receive(shot.port, shot.frame, error=shot.error)
        for shot in shots
    )
    return sum(differ) > 3


@pytest.mark.parametrize(
    "change, kinds",
    [
        # The gateware lets through what the model does not expect: a leak.
        (without_rules, {Kind.LEAK, Kind.DIFFERENCE}),
        (with_all_rules, {Kind.DIFFERENCE, Kind.COUNTERS}),
        (with_another_tenant_there, {Kind.LEAK, Kind.DIFFERENCE}),
        (with_a_blind_bit, {Kind.LEAK, Kind.DIFFERENCE}),
    ],
)
def test_a_fault_is_found_and_made_small(change, kinds, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seed = seed_with(lambda tables: two_tenants_here(tables) and shows(tables, change(tables)))
    believed = change(tables_of(seed, PARAMS))
    found = run_round(PARAMS, 4000, seed, believed)
    assert found.finding is not None and found.finding.kind in kinds
    reproducer = reproducer_of(found, PARAMS, "test", believed)
    assert reproducer is not None
    assert len(reproducer.shots) <= 2
    reproducer.save(tmp_path / "found.json")
    again = Reproducer.load(tmp_path / "found.json")
    assert again == reproducer
    assert shown(again.params, again.tables, again.shots, believed) is not None
    # The gateware itself is right.
    assert shown(again.params, again.tables, again.shots) is None


def test_a_tep_that_does_not_answer_its_host_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self, *arguments):  # type: ignore[no-untyped-def]
        raise LinkTimeoutError("no answer")

    monkeypatch.setattr(Punts, "fetch_all", silent)
    found = run_round(PARAMS, 100, 1)
    assert found.finding == Finding(Kind.HANG, "the host link: no answer")
    assert found.suspects
    monkeypatch.undo()
    monkeypatch.setattr(Driver, "counters", silent)
    found = run_round(PARAMS, 100, 1)
    assert found.finding is not None and found.finding.kind is Kind.HANG


def test_wrong_counters_are_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the last shots of the round, as far as they have to do with it."""
    right = TepModel.counters

    def wrong(self):  # type: ignore[no-untyped-def]
        counters = right(self)
        next(iter(counters["ports"].values()))["rx_frames"] += 1
        return counters

    monkeypatch.setattr(TepModel, "counters", wrong)
    found = run_round(PARAMS, 100, 1)
    assert found.finding is not None and found.finding.kind is Kind.COUNTERS
    reproducer = reproducer_of(found, PARAMS, "test")
    assert reproducer is not None and len(reproducer.shots) <= 1


def test_volleys_fit_into_packet_memory() -> None:
    rng = random.Random(1)
    shots = [Shot(0, bytes(rng.choice((60, 300, 1514, 9000)))) for _ in range(500)]
    fired = list(volleys(iter(shots), len(shots), PARAMS))
    assert [shot for volley in fired for shot in volley] == shots
    for volley in fired:
        cells = sum(-(-len(shot.frame) // 128) for shot in volley)
        assert len(volley) == 1 or cells <= share(PARAMS), "found: a congested output lost what was more"


def test_what_leaves_on_one_port_finds_room() -> None:
    """Volleys of broadcasts, which fill an output's share of packet memory, and a frame that is more than it."""
    tables = random_tables(random.Random(4294967299), PARAMS)
    vm = next(entry for entry in tables.macs if isinstance(entry.place, Local))
    assert isinstance(vm.place, Local)
    sizes = [*[1380, 1500, 60, 1000, 300] * 12, 9000, 60, 8500]
    frames = [
        tag(ethernet(0xFFFFFFFFFFFF, vm.mac, 0x88B5, index.to_bytes(2, "big") + bytes(size)), vm.place.vid)
        for index, size in enumerate(sizes)
    ]
    shots = [Shot(vm.place.port, frame) for frame in frames]
    with Trial(PARAMS, tables) as trial:
        for volley in volleys(iter(shots), len(shots), PARAMS):
            assert trial.fire(volley) is None


def learning_tables() -> TepTables:
    rng = random.Random(8)
    while True:
        tables = random_tables(rng, PARAMS, Learning(source=True, remote=True))
        tables = replace(tables, learned_limit=PARAMS.macs)
        by_oui = not any(tenant.block for tenant in tables.tenants)
        if by_oui and any(tenant.learn_source for tenant in tables.tenants) and two_tenants_here(tables):
            return tables


def test_what_attackers_teach_is_told_as_it_is() -> None:
    """One shot at a time, so that learning has ended before the next: no event is lost, wrong or invented."""
    tables = learning_tables()
    adversary = Adversary(tables, random.Random(8))
    with Trial(PARAMS, tables) as trial:
        for _ in range(1500):
            finding = trial.fire([adversary.shot()])
            assert finding is None, finding
        assert trial.check_counters() is None
        assert trial.told > 20


def test_a_false_event_is_found() -> None:
    """Learned from a frame that is for nobody: only the event tells."""
    tables = learning_tables()
    believed = replace(tables, tenants=tuple(replace(each, learn_source=False) for each in tables.tenants))
    tenant = next(tenant for tenant in tables.tenants if tenant.learn_source)
    frame = tag(
        ethernet(0x020000000001, tenant.ouis[0] << 24 | 0x777777, 0x88B5, bytes(46)), tenant.vlan or 1
    )
    with Trial(PARAMS, tables, believed) as trial:
        finding = trial.fire([Shot(0, frame)])
    assert finding is not None and finding.kind is Kind.EVENTS


def test_minimise_keeps_what_it_takes() -> None:
    shots = [Shot(0, bytes((number,))) for number in range(100)]
    needed = {shots[17], shots[71]}

    def show(some: list[Shot]) -> Finding | None:
        return Finding(Kind.DIFFERENCE, "") if needed <= set(some) else None

    assert set(minimise(shots, show, attempts=1000)) == needed  # type: ignore[arg-type]


def test_no_reproducer(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    for text in ("", "{}", '{"version": 1}'):
        file.write_text(text)
        with pytest.raises(ReproducerError, match=r"x\.json"):
            Reproducer.load(file)


def test_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["fuzz", "-n", "500", "-j", "1", "--json", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["sent"], report["finding"]) == (500, None)
    file = tmp_path / "nothing.json"
    Reproducer("x", PARAMS, 1, Finding(Kind.LEAK, "?"), (Shot(0, bytes(60)),)).save(file)
    result = CliRunner().invoke(main, ["fuzz", "--reproduce", str(file)])
    assert result.exit_code == 0 and "as the model says" in result.stdout
    file.write_text("no")
    result = CliRunner().invoke(main, ["fuzz", "--reproduce", str(file)])
    assert result.exit_code == 1 and "no file that `opentep fuzz` has written" in result.output
    result = CliRunner().invoke(main, ["fuzz", "-o", "/proc/nowhere"])
    assert (result.exit_code, result.output) == (1, "opentep: /proc/nowhere: No such file or directory\n")


def test_going_on(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["fuzz", "-n", "20500", "--skip", "20000", "-j", "1", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sent"] == 500
    for skip in ("7", "20000"):
        result = CliRunner().invoke(main, ["fuzz", "-n", "20000", "--skip", skip])
        assert result.exit_code == 2 and "whole rounds of 20,000" in result.output


def test_what_an_interrupted_run_tells() -> None:
    command = [sys.executable, "-m", "opentep.host.cli", "fuzz", "-n", "10000000", "--seed", "5"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        time.sleep(5)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "interrupted: 0 frames sent" in told and "--seed 5 --skip 0" in told
    assert "Traceback" not in told


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def test_terminating_it_ends_its_workers() -> None:
    command = [sys.executable, "-m", "opentep.host.cli", "fuzz", "-n", "10000000", "--seed", "5"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        time.sleep(5)
        process.terminate()
        _, told = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in told
    others = [
        int(path.name) for path in Path("/proc").glob("[0-9]*") if session_of(int(path.name)) == process.pid
    ]
    assert not others
