"""Building and caching of the simulator."""

import threading
import time

import pytest
from opentep.gateware.params import Params
from opentep.sim import verilate
from opentep.sim.board import VirtualBoard
from opentep.sim.cache import cache_folder, forget
from opentep.sim.toolchain import ToolError, provide_yosys, require_tools, tool_versions
from opentep.sim.verilate import board_library


@pytest.fixture(scope="session")
def library(cross_connect):
    return board_library(Params(), cross_connect)


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    """A cache of its own; not by ``XDG_CACHE_HOME``, under which Yosys keeps its compiled self as well."""
    monkeypatch.setattr(verilate, "cache_folder", lambda: tmp_path)
    return tmp_path


def test_second_start_builds_nothing(library, cross_connect, monkeypatch):
    monkeypatch.setattr(verilate, "generate_verilog", None)
    begin = time.monotonic()
    assert board_library(Params(), cross_connect) == library
    assert time.monotonic() - begin < 1


def test_same_content_by_another_name_is_not_built_again(library, cross_connect, monkeypatch):
    monkeypatch.setattr(verilate, "_build", None)
    assert board_library(Params(), lambda params: cross_connect(params)) == library


def test_parameters_that_change_nothing_share_a_library(library, cross_connect, monkeypatch):
    monkeypatch.setattr(verilate, "_build", None)
    assert board_library(Params(tenants=64), cross_connect) == library


def test_cache_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "opentep"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "opentep"


def test_concurrent_builders_build_once(cross_connect, monkeypatch, empty_cache):
    builds = []

    def build(folder, *_):
        builds.append(folder)
        time.sleep(0.5)
        (folder / "board.so").write_bytes(b"library")
        return folder / "board.so"

    monkeypatch.setattr(verilate, "_build", build)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(board_library(Params(), cross_connect)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert len(set(found)) == 1
    assert found[0].read_bytes() == b"library"
    assert not list(empty_cache.rglob("build-*"))


def test_failed_build_leaves_nothing_behind(cross_connect, monkeypatch, empty_cache):
    monkeypatch.setattr(verilate, "generate_verilog", lambda *_: "module broken(; endmodule")
    with pytest.raises(ToolError, match="Verilator failed"):
        board_library(Params(), cross_connect)
    assert not list(empty_cache.rglob("*.so"))
    assert not list(empty_cache.rglob("build-*"))


def test_missing_tools_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ToolError, match=r"needs perl, make, g\+\+; on Debian: apt-get install perl make g\+\+"
    ):
        require_tools()


def test_old_libraries_are_forgotten(monkeypatch, tmp_path):
    for i in range(verilate._KEEP + 3):
        (tmp_path / f"{i}.so").touch()
    verilate._prune(tmp_path)
    assert len(list(tmp_path.glob("*.so"))) == verilate._KEEP


def test_another_one_that_tidies_up_does_no_harm(tmp_path):
    """Entries go while they are looked at."""

    def vanishing():
        for number in range(8):
            entry = tmp_path / f"{number}.so"
            if number % 2:
                entry.touch()
            yield entry

    forget(vanishing(), keep=1)
    assert len(list(tmp_path.iterdir())) == 1
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    forget(tmp_path.iterdir(), keep=0)
    assert not list(tmp_path.iterdir())


def test_another_yosys_makes_another_simulator(monkeypatch):
    before = tool_versions()
    monkeypatch.setenv("YOSYS", "/usr/bin/yosys")
    assert tool_versions() == {**before, "YOSYS": "/usr/bin/yosys"}
    monkeypatch.delenv("YOSYS")
    provide_yosys()
    assert tool_versions() == before


@pytest.mark.long
def test_trace_is_written(cross_connect, tmp_path):
    with VirtualBoard(Params(), design=cross_connect, trace=tmp_path / "board.vcd") as board:
        board.send(0, bytes(60))
        board.run_until_idle()
    assert "rx0_data" in (tmp_path / "board.vcd").read_text()
