"""Who takes how much of the device: the size of each component."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

__all__ = ["COMB_OF_CELL", "ComponentArea", "Size", "component_tree"]

COMB_OF_CELL = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}
"""Cells to the places (TRELLIS_COMB) that nextpnr takes for them."""


@dataclass(frozen=True)
class Size:
    """How much of a device something takes."""

    comb: int = 0
    """Four-input tables: logic, carry chains and distributed RAM."""
    ff: int = 0
    block_rams: int = 0

    @classmethod
    def of(cls, cells: Mapping[str, int]) -> "Size":
        """Of so many ``cells`` by type."""
        return cls(
            sum(cells.get(kind, 0) * comb for kind, comb in COMB_OF_CELL.items()),
            cells.get("TRELLIS_FF", 0),
            cells.get("DP16KD", 0),
        )

    def __add__(self, other: "Size") -> "Size":
        return Size(self.comb + other.comb, self.ff + other.ff, self.block_rams + other.block_rams)


@dataclass(frozen=True)
class ComponentArea:
    """Size of a component with all that is inside it, see :class:`Size`."""

    name: str
    """Path of names from the outermost component, which has the name of its class or of the board."""
    comb: int
    ff: int
    block_rams: int

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def component_tree(own: Mapping[str, Size], name: str, depth: int) -> tuple[ComponentArea, ...]:
    """Sizes of a design, called ``name``, and of what is inside it down to ``depth`` levels, each in front of its
    parts, which come largest first.

    ``own`` is what each component takes without those inside it, by path; "" is the design itself.
    """
    if depth < 0:
        raise ValueError(f"depth must be at least 0, not {depth}")
    return tuple(_areas(own, "", name, depth))


def _areas(own: Mapping[str, Size], path: str, name: str, depth: int) -> Iterator[ComponentArea]:
    below = f"{path}." if path else ""
    total = sum((size for part, size in own.items() if part == path or part.startswith(below)), Size())
    yield ComponentArea(name, **asdict(total))
    if depth:
        parts = {
            part.removeprefix(below).split(".")[0] for part in own if part != path and part.startswith(below)
        }
        areas = [list(_areas(own, below + part, f"{name}.{part}", depth - 1)) for part in sorted(parts)]
        for area in sorted(areas, key=lambda area: -area[0].comb):
            yield from area
