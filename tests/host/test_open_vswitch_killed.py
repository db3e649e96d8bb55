"""An agent, and an unmodified Open vSwitch that is killed at random moments while the fabric changes."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentep.host.agent import agent as agent_module
from opentep.host.controller.objects import Key
from opentep.host.ovsdb import as_set
from opentep.host.vswitch import ovs as driver_module
from opentep.host.vswitch.ovs import NOWHERE

from .agent_bench import Bench, bench, until
from .controller.integrity import check_integrity
from .vswitch.open_vswitch import IS_INSTALLED, Ovs

__all__ = ["bench"]


@pytest.fixture
def ovs(tmp_path: Path) -> Iterator[Ovs]:
    if not IS_INSTALLED:
        pytest.skip("Open vSwitch is not installed")
    instance = Ovs(tmp_path)
    try:
        yield instance
    finally:
        instance.close()


def _is_set(bench: Bench, ovs: Ovs) -> bool:
    """Whether each port has the tag of its VM, and nobody else's reaches anybody."""
    vms = bench.repository.document(complete=True)[1].get("vms", {}).values()
    wanted = {vm["interface"]: vm["vlan"] for vm in vms if vm.get("vswitch") == "sw1"}
    tags = {name: ovs.get("port", name, "tag") for name in ("a", "b", "other")}
    trunks = as_set(ovs.get("port", "uplink", "trunks"))
    return trunks == (sorted(wanted.values()) or [NOWHERE]) and all(
        tags[name] == wanted.get(name, NOWHERE) for name in tags
    )


@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(7200)])])
def test_open_vswitch_is_killed(bench: Bench, ovs: Ovs, monkeypatch: pytest.MonkeyPatch, kills: int) -> None:
    """Its database, what switches, or both. VMs come and go and change their VLAN IDs meanwhile, and a TEP may be cut
    off as well; once all are back, TEP and vSwitch are exactly what the store says."""
    monkeypatch.setattr(agent_module, "_RETRY_SECONDS", 0.3)
    monkeypatch.setattr(driver_module, "_SETTLE_SECONDS", 1.0)
    rng = random.Random(kills)
    driven = {"tep": "rack1", "port": "server", "driver": "ovs", "ovsdb": ovs.target, "uplink": "uplink"}
    bench.put("vms", "a", None)
    bench.put("vswitches", "sw1", driven)
    for name in ("a", "b", "other"):
        bench.put("vms", name, {"tenant": "red", "vswitch": "sw1", "interface": name})
    bench.start(bench.agent(verify_seconds=2).run)
    until(lambda: bench.is_right() and _is_set(bench, ovs))

    def change() -> None:
        name = rng.choice(("a", "b", "other"))
        there = bench.repository.get(Key("vms", name))
        spec = {"tenant": rng.choice(("red", "blue")), "vswitch": "sw1", "interface": name}
        taken = {
            vm.get("vlan")
            for vm in bench.repository.document(complete=True)[1].get("vms", {}).values()
            if "vswitch" in vm
        }
        if rng.randrange(2):
            spec["vlan"] = rng.choice([vlan for vlan in range(100, 110) if vlan not in taken])
        bench.put("vms", name, None if there and rng.randrange(4) == 0 else spec)

    for _ in range(kills):
        victims = rng.choice((["server"], ["switch"], ["server", "switch"]))
        change()
        time.sleep(rng.uniform(0, 0.4))
        for victim in victims:
            ovs.kill(victim)
        cut = rng.randrange(4) == 0
        bench.racks["rack1"].cut = cut
        for _ in range(rng.randrange(3)):
            change()
            time.sleep(rng.uniform(0, 0.3))
        for victim in sorted(victims):
            ovs.start(victim)
        bench.racks["rack1"].cut = False
        until(lambda: bench.is_right() and _is_set(bench, ovs) and not bench.said().error, 60)
    check_integrity(bench.repository)
