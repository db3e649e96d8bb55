"""`opentep vm migrate` with agents of TEPs in memory, through failures of everything around them."""

import json
import random
from dataclasses import replace

import pytest
from click.testing import CliRunner
from opentep.host.cli import main
from opentep.host.controller.objects import Key
from opentep.host.tables import Retag
from opentep.host.vswitch import VSwitchError, VSwitchPlan, Wanted

from .agent_bench import PARAMS, Bench, bench, until

__all__ = ["bench"]


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
    assert bench.racks["rack2"].retag is None and switches.vlans["sw2"] == {"b": 2}, "all stays as it is"
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


def test_another_dead_vswitch_holds_up_no_migration(bench: Bench, switches: Switches) -> None:
    """At the target's TEP, and with a VM that is to have another VLAN ID."""
    ports = bench.repository.get(Key("teps", "rack2")).spec
    ports = {**ports, "ports": {"other": {"role": "access"}, **ports["ports"]}}
    bench.racks["rack2"].params = replace(PARAMS, access_ports=2)
    bench.racks["rack2"].reset()
    bench.put("teps", "rack2", ports)
    driven = {"tep": "rack2", "port": "other", "driver": "ovs", "ovsdb": "unix:/other", "uplink": "eth1"}
    bench.put("vswitches", "sw3", driven)
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw3", "vlan": 7})
    for rack in bench.racks:
        bench.start(bench.agent(rack, verify_seconds=0.2).run)
    until(lambda: switches.vlans.get("sw3") == {"c": 7} and bench.said("rack1").revision > 0)
    switches.broken.add("sw3")
    bench.put("vms", "c", {"tenant": "blue", "vswitch": "sw3", "vlan": 8})
    until(lambda: list(bench.said("rack2").wrong) == ["sw3"])
    assert "VM a is at vSwitch sw2" in migrate(bench, "--wait", "10")
    assert switches.vlans["sw2"] == {"a": 2, "b": 3} and switches.vlans["sw3"] == {"c": 7}
    switches.broken.clear()
    until(lambda: switches.vlans["sw3"] == {"c": 8} and bench.is_right("rack2"))
    until(lambda: not bench.said("rack2").error)


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
