"""Agents of TEPs whose router does not answer."""

import pytest
from opentep.host.agent import agent as agent_module
from opentep.host.agent import what_is_missing
from opentep.host.controller.objects import Key
from opentep.host.driver import Driver
from opentep.host.registers import RegisterAccess
from opentep.host.tables import Local

from .agent_bench import Bench, bench, until
from .routers_bench import Routers, routers

__all__ = ["bench", "routers"]

UPLINK = {"role": "fabric", "mac": "02:00:5e:01:00:01", "router": "fe80::1"}


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch, routers: Routers, bench: Bench) -> Bench:
    monkeypatch.setattr(agent_module, "_RETRY_SECONDS", 0.1)
    spec = bench.repository.get(Key("teps", "rack1")).spec
    bench.put("teps", "rack1", {**spec, "ports": {**spec["ports"], "uplink": UPLINK}})
    return bench


def test_a_silent_router_is_told_and_asked_again(routed: Bench, routers: Routers) -> None:
    routed.start(routed.agent().run)
    until(lambda: routed.said().error.startswith("router fe80::1 on port uplink does not answer"))
    assert routed.said().revision == routed.repository.revision
    assert what_is_missing(routed.repository, "rack1") == "", "nothing else is"
    held = Driver(RegisterAccess(routed.racks["rack1"].device)).read()
    assert held.enabled
    wanted = routed.repository.tables("rack1").tables
    assert held.tables.macs == tuple(entry for entry in wanted.macs if isinstance(entry.place, Local))
    routers.macs[1, 0xFE80 << 112 | 1] = 0x02005EFF01FE
    until(lambda: routed.said().error == "")
    assert routed.is_right()


def test_what_others_wrote_is_mended_while_a_router_is_silent(routed: Bench) -> None:
    routed.start(routed.agent(verify_seconds=0.3).run)
    until(lambda: routed.said().error != "")
    registers = RegisterAccess(routed.racks["rack1"].device)
    registers.write("age_seconds", 7)
    until(lambda: registers.read("age_seconds") == 300)
