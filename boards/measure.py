"""The size of each component, by synthesis alone."""

import tempfile
from pathlib import Path

from amaranth.lib import wiring

from ..gateware.core import Core
from ..gateware.params import Params
from .area import ComponentArea
from .hierarchy import Hierarchy
from .registered import INNER
from .synthesis import synthesise, synthesise_component

__all__ = ["measure_component", "measure_core", "measure_design"]


def measure_component(component: wiring.Component, depth: int) -> tuple[ComponentArea, ...]:
    """Sizes of ``component`` and of what is inside it down to ``depth`` levels, see :func:`.area.component_tree`.

    Registers around it are not counted. Raises :class:`ToolError`.
    """
    with tempfile.TemporaryDirectory(prefix="opentep-area-") as scratch:
        synthesise_component(component, Path(scratch))
        return Hierarchy.read(Path(scratch)).sizes(type(component).__name__, depth, inside=INNER)


def measure_core(params: Params, depth: int) -> tuple[ComponentArea, ...]:
    """The same for the TEP core."""
    return measure_component(Core(params), depth)


def measure_design(rtlil: str, name: str, depth: int) -> tuple[ComponentArea, ...]:
    """The same for a whole design ``top``, such as a board's, that Amaranth wrote as ``rtlil``."""
    with tempfile.TemporaryDirectory(prefix="opentep-area-") as scratch:
        synthesise(rtlil, Path(scratch))
        return Hierarchy.read(Path(scratch)).sizes(name, depth)
