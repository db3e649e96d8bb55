"""`plan`, `apply` and `show` against a TEP's register space."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from opentep.gateware.params import Params
from opentep.host.cli import main
from opentep.host.driver import Driver
from opentep.host.link.transport import TransportError
from opentep.host.registers import RegisterAccess

from ..routers_bench import Routers, routers

__all__ = ["routers"]

DOCUMENT = """\
version: 1
teps:
  rack1:
    address: fd00:1::1
    link: {device: /dev/one}
    core: {macs: 64, tenants: 16, lists: 16, members: 16}
    ports:
      server: {role: access}
      uplink: {role: fabric, mac: 02:00:5e:01:00:01, next_hop: 02:00:5e:ff:01:fe}
  rack2:
    address: fd00:2::1
    link: {device: /dev/two}
    ports:
      server: {role: access}
      uplink: {role: fabric, mac: 02:00:5e:02:00:01, next_hop: 02:00:5e:ff:02:fe}
tenants: {red: {oui: 12:00:01}}
vswitches: {sw1: {tep: rack1, port: server}, sw2: {tep: rack2, port: server}}
vms:
  a: {tenant: red, vswitch: sw1}
  b: {tenant: red, vswitch: sw2, vlan: 77}
"""


@pytest.fixture
def fabric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory_device) -> Path:
    """A document whose first TEP answers and whose second does not."""
    device = memory_device(Params(macs=64, tenants=16, lists=16, members=16, teps=16, storm_tenants=16))

    @contextmanager
    def connect(name: str, baud: int | None = None) -> Iterator[Driver]:
        if name != "/dev/one":
            raise TransportError(f"cannot open {name}: No such file or directory")
        yield Driver(RegisterAccess(device), drain_seconds=0)

    monkeypatch.setattr("opentep.host.cli.target.open_driver", connect)
    path = tmp_path / "fabric.yaml"
    path.write_text(DOCUMENT)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rack1(command: str, fabric: Path, *arguments: str) -> Result:
    return run(*command.split(), "-f", fabric, "-t", "rack1", *arguments)


def test_plan_apply_plan(fabric: Path) -> None:
    planned = rack1("plan", fabric)
    assert planned.exit_code == 3, planned.output
    assert "+ mac 12:00:01:00:00:01 of red: server VLAN 2" in planned.output
    assert "+ tep rack2: fd00:2::1" in planned.output
    assert not fabric.with_name("fabric.db").exists()
    applied = rack1("apply", fabric)
    assert applied.exit_code == 0, applied.output
    assert "entries changed" in applied.output
    assert fabric.with_name("fabric.db").exists()
    again = rack1("plan", fabric)
    assert again.exit_code == 0, again.output
    assert "TEP rack1: nothing to change" in again.output
    assert "VM a: interface a, MAC 12:00:01:00:00:01, access port in VLAN 2" in again.output


def test_one_tep_that_fails_does_not_stop_the_others(fabric: Path) -> None:
    result = run("apply", "-f", fabric)
    assert result.exit_code == 1
    assert "TEP rack2: cannot open /dev/two: No such file" in result.output
    assert "TEP rack1:" in result.output
    assert "Traceback" not in result.output
    assert rack1("plan", fabric).exit_code == 0


def test_a_router_that_does_not_answer_is_told_and_all_else_done(fabric: Path, routers: Routers) -> None:
    fabric.write_text(DOCUMENT.replace("next_hop: 02:00:5e:ff:01:fe", 'router: "fe80::1"'))
    result = rack1("apply", fabric)
    assert result.exit_code == 1
    assert (
        "opentep: next hops of TEP rack1: router fe80::1 on port uplink does not answer and is left out; remedy: "
        in result.stderr
    )
    assert "+ mac 12:00:01:00:00:01 of red: server VLAN 2" in result.stdout
    assert "VM a: interface a" in result.stdout, "its vSwitch is set"
    assert rack1("plan", fabric).exit_code == 3
    routers.macs[1, 0xFE80 << 112 | 1] = 0x02005EFF01FE
    result = rack1("apply", fabric)
    assert result.exit_code == 0, result.output
    assert "+ tep rack2: fd00:2::1" in result.stdout
    assert rack1("plan", fabric).exit_code == 0


def test_json(fabric: Path) -> None:
    planned = json.loads(rack1("plan", fabric, "--json").output)
    assert planned["changed"] is True
    assert {change["action"] for change in planned["teps"]["rack1"]} <= {"add", "change"}
    applied = json.loads(rack1("apply", fabric, "--json").output)
    assert applied["teps"] == planned["teps"]
    assert json.loads(rack1("plan", fabric, "--json").output)["changed"] is False


def test_dry_run_changes_nothing(fabric: Path) -> None:
    assert rack1("apply", fabric, "--dry-run").exit_code == 0
    assert rack1("plan", fabric).exit_code == 3
    assert not fabric.with_name("fabric.db").exists()


def test_a_changed_vm(fabric: Path) -> None:
    rack1("apply", fabric)
    fabric.write_text(DOCUMENT.replace("vswitch: sw1}", "vswitch: sw1, vlan: 9}"))
    result = rack1("apply", fabric, "--no-vswitches")
    assert "~ mac 12:00:01:00:00:01 of red: server VLAN 2 → server VLAN 9" in result.output


def test_storm_control(fabric: Path) -> None:
    rack1("apply", fabric)
    limited = DOCUMENT.replace("members: 16}", "members: 16, storm_tenants: 16}")
    limited = limited.replace("{oui: 12:00:01}", "{oui: 12:00:01, storm: {rate: 100, burst: 20}}")
    fabric.write_text(limited)
    refused = run("check", fabric)
    assert refused.exit_code == 2
    assert "no storm control on TEP 'rack2'" in refused.output
    fabric.write_text(
        limited.replace("address: fd00:2::1", "address: fd00:2::1\n    core: {storm_tenants: 16}")
    )
    assert "storm control 100 frames/s, 20 at once" in rack1("plan", fabric).output
    assert rack1("apply", fabric).exit_code == 0
    assert rack1("plan", fabric).exit_code == 0
    (tenant,) = json.loads(rack1("show tenants", fabric, "--json").output)
    assert tenant["storm"] == {"rate": 100, "burst": 20}


def test_show(fabric: Path) -> None:
    rack1("apply", fabric)
    macs = json.loads(rack1("show macs", fabric, "--json").output)
    assert [(item["mac"], item["tenant"], item["learned"]) for item in macs] == [
        ("12:00:01:00:00:01", "red", False),
        ("12:00:01:00:00:02", "red", False),
    ]
    assert "behind rack2" in rack1("show macs", fabric).output
    assert "12:00:01" in rack1("show tenants", fabric).output
    assert "fd00:2::1" in rack1("show teps", fabric).output
    assert "server: 2; uplink: rack2" in rack1("show lists", fabric).output
    assert "MTU 1500" in rack1("show ports", fabric).output
    assert [port["link"]["up"] for port in json.loads(rack1("show ports", fabric, "--json").output)] == [
        False
    ] * 2
    assert json.loads(rack1("show id", fabric, "--json").output)["enabled"] is True
    counters = json.loads(rack1("show counters", fabric, "--json").output)
    assert counters["ports"]["server"]["drops"]["spoofed"] == 0
    assert counters["teps"]["rack2"]["tx_frames"] == 0


def test_show_without_a_document(fabric: Path, tmp_path: Path) -> None:
    rack1("apply", fabric)
    result = run("show", "tenants", "--fabric", tmp_path / "none.yaml", "--link", "/dev/one")
    assert result.exit_code == 0, result.output
    assert "tenant 0" in result.output


def test_which_tep(fabric: Path) -> None:
    result = run("show", "macs", "-f", fabric)
    assert result.exit_code == 2
    assert "Give --tep, one of: rack1, rack2" in result.output


def test_a_tep_without_link(fabric: Path) -> None:
    fabric.write_text(DOCUMENT.replace("    link: {device: /dev/one}\n", ""))
    result = rack1("apply", fabric)
    assert result.exit_code == 1
    assert "--link DEVICE" in result.output
    assert rack1("apply", fabric, "--link", "/dev/one").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-t", "rakc1"), "no opentep TEP 'rakc1'"),
        (("-t", "rakc1", "--no-teps"), "no opentep TEP 'rakc1'"),
        (("--link", "/dev/one"), "name it with --tep"),
    ],
)
def test_wrong_usage_stores_nothing(fabric: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run("apply", "-f", fabric, *arguments)
    assert result.exit_code == 2 and message in result.output
    assert not json.loads(run("--store", fabric.with_name("fabric.db"), "log", "--json").output)


def test_two_teps_at_one_link_are_refused(fabric: Path) -> None:
    """Else the second one's tables would follow the first one's, into the same board."""
    fabric.write_text(DOCUMENT.replace("/dev/two", "/dev/../dev/one"))
    result = run("apply", "-f", fabric, "--no-vswitches")
    assert result.exit_code == 2 and "TEPs 'rack1' and 'rack2' have the same link" in result.output
    assert rack1("apply", fabric, "--no-vswitches").exit_code == 0
