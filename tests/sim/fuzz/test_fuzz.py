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
from typing import Any

import pytest
from click.testing import CliRunner
from opentep.gateware.params import Params
from opentep.host.cli.main import main
from opentep.host.driver import Driver
from opentep.host.link.client import LinkTimeoutError
from opentep.host.punt import Punts
from opentep.host.tables import Local, MacTableEntry, Port, Rule, TepTables
from opentep.sim.fuzz.adversary import Adversary, Shot
from opentep.sim.fuzz.campaign import reproducer_of, run_round, shown
from opentep.sim.fuzz.reproducer import Reproducer, ReproducerError, minimise
from opentep.sim.fuzz.scene import FULL_LOAD, Pace, Scene, scene_of
from opentep.sim.fuzz.trial import Finding, Kind, Trial, share, volleys
from opentep.sim.model import TepModel
from opentep.sim.model.reason import Reason
from opentep.sim.packets import ethernet, tag
from opentep.sim.random_tables import Learning, random_tables

PARAMS = Params()
EVERYTHING = Params(
    access_ports=3, fabric_ports=1, counted_tenants=1024, storm_tenants=1024, known_addresses=64
)
PLAIN = [f"-p{name}=0" for name in ("counted_tenants", "storm_tenants", "known_addresses")]
"""Options that make of the default core of `opentep fuzz` that of most other tests."""


@pytest.mark.parametrize("seed", range(1, 4))
def test_withstands(seed: int) -> None:
    result = run_round(PARAMS, 4000, seed)
    assert result.finding is None, result.finding
    assert result.shots == 4000
    assert result.delivered > 1000


def counted(seed: int, count: int) -> dict[str, Any]:
    """What a TEP that can do everything has counted in a round of ``count`` shots, as the model has."""
    scene = scene_of(seed, EVERYTHING)
    adversary = Adversary(scene.tables, random.Random(seed), longest=scene.longest)
    shots = iter(adversary.shot, None)
    with Trial(EVERYTHING, scene) as trial:
        for volley in volleys(shots, count, EVERYTHING, scene.pace):
            assert trial.fire(volley) is None
        assert trial.check_counters() is None
        counters = trial.counters()
        assert trial.told == sum(counters["mac"][name] for name in ("learned", "moved"))
        return counters


def test_withstands_where_it_answers_for_vms() -> None:
    assert counted(1, 2000)["suppression"]["answered"] > 20


def test_withstands_where_frames_change_what_comes_after() -> None:
    """What attackers teach is told as it is: no event is lost, wrong or invented. Limits are kept to the frame."""
    both = [counted(seed, 800) for seed in (38, 48)]
    for name in ("learned", "moved", "refused"):
        assert sum(counters["mac"][name] for counters in both) > 10
    assert sum(port["drops"]["storm"] for counters in both for port in counters["ports"].values()) > 20


def test_shots_reach_every_rule_and_every_length() -> None:
    seen: Counter[str] = Counter()
    lengths = set()
    for seed in range(20):
        tables = scene_of(seed, PARAMS).tables
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
    return next(seed for seed in range(100) if condition(scene_of(seed, PARAMS).tables))


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
    believed = change(scene_of(seed, PARAMS).tables)
    found = run_round(PARAMS, 4000, seed, believed=believed)
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


def test_a_fault_is_found_in_what_comes_after() -> None:
    """With a limit of learned addresses that the gateware does not have: the shot that shows it is not the first."""

    def generous(tables: TepTables) -> TepTables:
        return replace(tables, learned_limit=tables.learned_limit + 1)

    seed = seed_with(
        lambda tables: tables.learned_limit < 4 and any(tenant.learn_source for tenant in tables.tenants)
    )
    believed = generous(scene_of(seed, PARAMS).tables)
    found = run_round(PARAMS, 2000, seed, believed=believed)
    assert found.finding is not None and found.finding.kind is Kind.EVENTS
    assert len(found.suspects) == found.shots > 1
    again = shown(PARAMS, seed, found.suspects, believed)
    assert again is not None and again.kind is Kind.EVENTS
    assert shown(PARAMS, seed, found.suspects) is None


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
    fired = list(volleys(iter(shots), len(shots), PARAMS, FULL_LOAD))
    assert [shot for volley in fired for shot in volley] == shots
    for volley in fired:
        cells = sum(-(-len(shot.frame) // 128) for shot in volley)
        assert len(volley) == 1 or cells <= share(PARAMS), "found: a congested output lost what was more"


def test_volleys_ask_no_more_than_can_wait() -> None:
    """Short frames from servers may be requests; longer ones and those from the fabric are none."""
    rng = random.Random(1)
    shots = [Shot(rng.randrange(2), bytes(rng.choice((60, 127, 128)))) for _ in range(500)]
    fired = list(volleys(iter(shots), len(shots), PARAMS, Pace(requests=4)))
    assert [shot for volley in fired for shot in volley] == shots
    asked = [sum(shot.port == 0 and len(shot.frame) < 128 for shot in volley) for volley in fired]
    assert max(asked) == 4


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
    with Trial(PARAMS, Scene(tables)) as trial:
        for volley in volleys(iter(shots), len(shots), PARAMS, FULL_LOAD):
            assert trial.fire(volley) is None


def learning_tables() -> TepTables:
    rng = random.Random(8)
    while True:
        tables = random_tables(rng, PARAMS, Learning(source=True, remote=True))
        tables = replace(tables, learned_limit=PARAMS.macs)
        by_oui = not any(tenant.block for tenant in tables.tenants)
        if by_oui and any(tenant.learn_source for tenant in tables.tenants) and two_tenants_here(tables):
            return tables


def test_a_false_event_is_found() -> None:
    """Learned from a frame that is for nobody: only the event tells."""
    tables = learning_tables()
    believed = replace(tables, tenants=tuple(replace(each, learn_source=False) for each in tables.tenants))
    tenant = next(tenant for tenant in tables.tenants if tenant.learn_source)
    frame = tag(
        ethernet(0x020000000001, tenant.ouis[0] << 24 | 0x777777, 0x88B5, bytes(46)), tenant.vlan or 1
    )
    with Trial(PARAMS, Scene(tables), believed) as trial:
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
    result = CliRunner().invoke(main, ["fuzz", *PLAIN, "-n", "500", "-j", "1", "--json", "-o", str(tmp_path)])
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
    result = CliRunner().invoke(main, ["fuzz", *PLAIN, "-n", "20500", "--skip", "20000", "-j", "1", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sent"] == 500
    for skip in ("7", "20000"):
        result = CliRunner().invoke(main, ["fuzz", "-n", "20000", "--skip", skip])
        assert result.exit_code == 2 and "whole rounds of 20,000" in result.output


def test_what_an_interrupted_run_tells() -> None:
    command = [sys.executable, "-m", "opentep.host.cli", "fuzz", *PLAIN, "-n", "10000000", "--seed", "5"]
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
    command = [sys.executable, "-m", "opentep.host.cli", "fuzz", *PLAIN, "-n", "10000000", "--seed", "5"]
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
