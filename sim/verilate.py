"""Gateware → Verilog → Verilator → shared library with the interface of board.h, built once and cached.

A library is stored under the hash of everything that shapes it (Verilog, C++ sources, flags, tool versions).
So that a second start need not even elaborate the gateware, an index maps the hash of the *sources* of the
gateware and the parameters to that library.
"""

import hashlib
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import opentep.gateware
from opentep.gateware.params import Params
from opentep.gateware.storm.limit import CLOCKS_PER_TICK, EXPONENT_BITS, TICKS_PER_SECOND

from .cache import cache_folder, forget, locked, write_atomically
from .toolchain import (
    MAKE_VARIABLES,
    ToolError,
    provide_yosys,
    require_tools,
    tool_versions,
    verilator_command,
    verilator_environment,
)

__all__ = [
    "Design",
    "Progress",
    "board_library",
    "cache_folder",
    "generate_verilog",
    "locked",
    "without_zeros",
]

Design = Callable[[Params], Any]
"""Makes a component with the ports of the complete TEP (docs/architecture.md); a class, or any callable."""

Progress = Callable[[str], None]

TOP = "opentep_board"
_CXX_FILES = ("board.cpp", "board_live.cpp")
_CXX_HEADERS = ("board.h", "board_wire.hpp", "board_model.hpp", "board_packets.hpp")
_CXX_FLAGS = "-std=c++17 -fPIC -fno-plt"
_VERILATOR_FLAGS = (
    *(
        "--cc",
        "--exe",
        "--build",
        "-j",
        "2",
        "-O3",
        "--noassert",
        "--x-assign",
        "fast",
        "--x-initial",
        "fast",
    ),
    *("--no-timing", "-Wno-fatal", "-Wno-lint", "--top-module", TOP, "--prefix", f"V{TOP}"),
    *("-MAKEFLAGS", f"CXX=g++ LINK=g++ {MAKE_VARIABLES}"),
)
_KEEP = 32
"""Libraries kept in the cache; the ones unused for longest go first."""

_ABANDONED_SECONDS = 24 * 3600


def _silent(message: str) -> None:
    pass


def _tep(params: Params) -> Any:
    from opentep.gateware.tep import Tep

    return Tep(params)


_MEMORY_INIT = re.compile(r"  initial begin\n((?:    \S+ ?\[\d+\] = \d+'[hd][0-9a-f]+;\n)+)  end\n")
_ZERO_ROW = re.compile(r"    \S+ ?\[\d+\] = \d+'[hd]0+;\n")


def without_zeros(verilog: str) -> str:
    """Drop the statements that set rows of memories to zero, as Verilator does anyway (``--x-initial 0``).

    Yosys writes one per row; they would be a quarter of the text and most of the compiler's work.
    """

    def shorten(block: re.Match[str]) -> str:
        rows = _ZERO_ROW.sub("", block[1])
        return f"  initial begin\n{rows}  end\n" if rows else ""

    return _MEMORY_INIT.sub(shorten, verilog)


def generate_verilog(params: Params, design: Design | None = None) -> str:
    """Verilog of the virtual board's top around ``design`` (default: the complete TEP)."""
    from amaranth.back import verilog

    from .board_top import BoardTop

    provide_yosys()
    top = BoardTop(params, (design or _tep)(params))
    # Source locations would make the text, and so the key, depend on where the project is installed.
    return without_zeros(verilog.convert(top, name=TOP, strip_internal_attrs=True))


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _shim_sources() -> dict[str, str]:
    here = Path(__file__).parent
    return {name: (here / name).read_text() for name in (*_CXX_FILES, *_CXX_HEADERS, "board_top.py")}


def _source_key(params: Params, design: Design | None, common: list[object]) -> str | None:
    """Identity of a design by its sources, or ``None`` if they cannot be known (a closure, an instance)."""
    files: list[Path] = []
    name = "Tep"
    if design is not None:
        file = inspect.getsourcefile(design) if inspect.isclass(design) else None
        if file is None:
            return None
        files.append(Path(file))
        name = design.__qualname__  # type: ignore[attr-defined]
    for folder in opentep.gateware.__path__:
        files.extend(sorted(Path(folder).rglob("*.py")))
    sources = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return _digest(sources, name, params.as_dict(), common)


def _build(folder: Path, verilog: str, params: Params, trace: bool, progress: Progress) -> Path:
    """Compile in ``folder`` (private to the caller); returns the library."""
    require_tools()
    here = Path(__file__).parent
    for name in (*_CXX_FILES, *_CXX_HEADERS):
        shutil.copy(here / name, folder)
    (folder / "board_ports.inc").write_text("".join(f"PORT({port})\n" for port in range(params.ports)))
    (folder / "top.v").write_text(verilog)
    defines = (
        f"-DBOARD_PORTS={params.ports} -DBOARD_WIDTH={params.width}"
        f" -DBOARD_STORM_TICKS={TICKS_PER_SECOND} -DBOARD_STORM_EXPONENT={(1 << EXPONENT_BITS) - 1}"
        f" -DBOARD_STORM_CLOCKS={CLOCKS_PER_TICK * params.limited_tenants}"
        + (" -DBOARD_TRACE" if trace else "")
    )
    command = [
        *verilator_command(),
        *_VERILATOR_FLAGS,
        *(["--trace-vcd"] if trace else []),
        *("-CFLAGS", f"{_CXX_FLAGS} {defines} -I{folder}", "-LDFLAGS", "-shared -Wl,-z,defs"),
        *("--Mdir", str(folder / "obj"), "-o", str(folder / "board.so"), str(folder / "top.v")),
        *(str(folder / name) for name in _CXX_FILES),
    ]
    progress("compiling the simulator (once per design)")
    status, output = _run(command)
    if status:
        tail = "\n".join(output.strip().splitlines()[-30:])
        raise ToolError(f"Verilator failed with status {status}:\n{tail}")
    return folder / "board.so"


def _run(command: list[str]) -> tuple[int, str]:
    """Exit status and output of Verilator. If this thread is interrupted, the compilers it started end too."""
    with subprocess.Popen(
        command,
        env=verilator_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    return process.returncode, output


def _prune(cache: Path) -> None:
    """Forget the libraries unused for longest, and what builds left behind that were killed.

    Running boards keep their library: the file stays mapped.
    """
    forget(cache.glob("*.so"), keep=_KEEP)
    for entry in (*cache.glob("*.source"), *cache.glob("build-*")):
        with suppress(FileNotFoundError):  # somebody else is at it as well
            if entry.suffix == ".source":
                if not (cache / f"{entry.read_text()}.so").exists():
                    entry.unlink()
            elif entry.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)


def board_library(
    params: Params, design: Design | None = None, *, trace: bool = False, progress: Progress = _silent
) -> Path:
    """Path of the shared library for a design, built if the cache does not hold it.

    Safe for concurrent callers: one builds, the others wait for it. Raises :class:`.toolchain.ToolError`.
    """
    cache = cache_folder() / "boards"
    cache.mkdir(parents=True, exist_ok=True)
    common: list[object] = [
        _shim_sources(),
        _CXX_FLAGS,
        _VERILATOR_FLAGS,
        tool_versions(),
        trace,
        params.ports,
    ]
    source_key = _source_key(params, design, common)
    index = cache / f"{source_key}.source"

    def known() -> Path | None:
        try:
            library = cache / f"{index.read_text()}.so"
            os.utime(library)
        except FileNotFoundError:
            return None
        return library

    if source_key and (library := known()):
        return library
    # One lock file per leading digit: few enough to stay, enough that different designs seldom meet.
    with locked(cache / f"lock-{source_key[0] if source_key else 'x'}"):
        if source_key and (library := known()):
            return library
        progress("generating Verilog")
        verilog = generate_verilog(params, design)
        key = _digest(verilog, params.width, params.limited_tenants, common)
        library = cache / f"{key}.so"
        if not library.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as folder:
                _build(Path(folder), verilog, params, trace, progress).replace(library)
            _prune(cache)
        if source_key:
            write_atomically(index, key)
    return library
