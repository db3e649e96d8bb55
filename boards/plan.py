"""What Amaranth makes of a board's platform and a design for it: RTLIL, constraints, and options of the tools."""

import json
from dataclasses import dataclass

from amaranth.hdl import Elaboratable
from amaranth.vendor import LatticeECP5Platform

__all__ = ["UNCONSTRAINED_MHZ", "BuildPlan", "make_plan"]

UNCONSTRAINED_MHZ = 0.9
"""nextpnr's ``--freq``, which it takes for clocks without a constraint. No clock of a board has it: it tells them."""

_RUN_OPTIONS = {
    "--log": 1,
    "--json": 1,
    "--lpf": 1,
    "--textcfg": 1,
    "--quiet": 0,
    "--package": 1,
    "--speed": 1,
}
_PACK_OPTIONS = {"--input": 1, "--bit": 1, "--svf": 1}


@dataclass(frozen=True)
class BuildPlan:
    """All that the tools need."""

    rtlil: str
    """The design, whose outermost module is ``top``. Nothing in it depends on where or when it was made."""
    constraints: str
    """Pins and clocks (LPF), as they are on the board."""
    device: str
    """As Lattice calls it, such as ``LFE5U-25F``."""
    package: str
    """As nextpnr calls it."""
    speed: int
    place_options: tuple[str, ...]
    """Of nextpnr, besides device, files and seed: what the platform wants."""
    pack_options: tuple[str, ...]
    """Of ecppack, likewise."""


def make_plan(platform: LatticeECP5Platform, top: Elaboratable) -> BuildPlan:
    """Elaborate ``top`` for ``platform``, which can be used once."""
    # Source locations would make the result depend on where the project is installed.
    files = platform.prepare(top, "top", emit_src=False).files
    commands = {command[0]: command[1:] for command in json.loads(files["build_top.json"])["commands"]}
    placing = commands["nextpnr-ecp5"]
    devices = set(platform._nextpnr_device_options.values())
    return BuildPlan(
        rtlil=files["top.il"],
        constraints=files["top.lpf"],
        device=platform.device,
        package=placing[placing.index("--package") + 1],
        speed=int(platform.speed),
        place_options=_without([word for word in placing if word not in devices], _RUN_OPTIONS),
        pack_options=_without(commands["ecppack"], _PACK_OPTIONS),
    )


def _without(words: list[str], options: dict[str, int]) -> tuple[str, ...]:
    """``words`` without ``options``, which have so many arguments."""
    kept = []
    rest = iter(words)
    for word in rest:
        if word in options:
            for _ in range(options[word]):
                next(rest)
        else:
            kept.append(word)
    return tuple(kept)
