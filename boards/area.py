"""Who takes how much of the device: the size of each component."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from amaranth.lib import wiring

from ..gateware.core import Core
from ..gateware.params import Params
from .synthesis import STATISTICS, synthesise

__all__ = ["ComponentArea", "measure_area", "measure_core_area"]

_COMB = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}
"""Cells to the places (TRELLIS_COMB) that nextpnr takes for them."""
_INNER = "top.inner"
"""The component between its registers."""


@dataclass(frozen=True)
class ComponentArea:
    """Size of a component with all that is inside it."""

    name: str
    """Path of names from the outermost component, which has the name of its class."""
    comb: int
    """Four-input tables: logic, carry chains and distributed RAM."""
    ff: int
    block_rams: int

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def measure_area(component: wiring.Component, depth: int) -> tuple[ComponentArea, ...]:
    """Sizes of ``component`` and of what is inside it down to ``depth`` levels, each in front of its parts, which
    come largest first.

    Synthesised with the hierarchy kept, hence some percent larger than what is placed; registers around are not
    counted. Raises :class:`ToolError`.
    """
    if depth < 0:
        raise ValueError(f"depth must be at least 0, not {depth}")
    with tempfile.TemporaryDirectory(prefix="opentep-area-") as scratch:
        synthesise(component, Path(scratch), flatten=False)
        text = (Path(scratch) / STATISTICS).read_text()
    modules = json.loads(text[text.index("{") :])["modules"]
    cells = {name.removeprefix("\\"): module["num_cells_by_type"] for name, module in modules.items()}
    return tuple(_sizes(cells, _INNER, type(component).__name__, depth))


def measure_core_area(params: Params, depth: int) -> tuple[ComponentArea, ...]:
    """Sizes of the parts of the TEP core; see :func:`measure_area`."""
    return measure_area(Core(params), depth)


def _sizes(
    cells: Mapping[str, Mapping[str, int]], module: str, name: str, depth: int
) -> Iterator[ComponentArea]:
    yield ComponentArea(
        name,
        comb=sum(_count(cells, module, kind) * comb for kind, comb in _COMB.items()),
        ff=_count(cells, module, "TRELLIS_FF"),
        block_rams=_count(cells, module, "DP16KD"),
    )
    if depth:
        parts = [
            list(_sizes(cells, part, f"{name}.{part.removeprefix(module + '.')}", depth - 1))
            for part in cells[module]
            if part in cells
        ]
        for sizes in sorted(parts, key=lambda sizes: -sizes[0].comb):
            yield from sizes


def _count(cells: Mapping[str, Mapping[str, int]], module: str, kind: str) -> int:
    """Cells of ``kind`` in ``module`` and in all modules below."""
    return sum(
        number * (_count(cells, cell, kind) if cell in cells else cell == kind)
        for cell, number in cells[module].items()
    )
