"""Paths between clock domains that no crossing component is in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from .hierarchy import Hierarchy

__all__ = ["StrayPath", "stray_paths"]

_FIRST_STAGE = "stage0"
"""The register of Amaranth's ``FFSynchronizer`` and ``AsyncFFSynchronizer`` that takes what comes from elsewhere."""
_CLOCKS = {
    "TRELLIS_FF": ("CLK",),
    "DP16KD": ("CLKA", "CLKB"),
    "IDDRX1F": ("SCLK",),
    "ODDRX1F": ("SCLK",),
    "TRELLIS_DPR16X4": ("WCK",),
}
"""Where cells with a clock have it. Of a block RAM with two clocks, each port's names end with the clock's letter."""
_BLOCK_RAM = "DP16KD"
_RAM = "TRELLIS_DPR16X4"
_READ_ADDRESS = "RAD"
"""Of distributed RAM, which is read without a clock."""
_BETWEEN = ("LUT4", "CCU2C", "PFUMX", "L6MUX21", "DELAYG")
"""Cells that pass on in no time what they get."""

_Sources = dict[str, frozenset[str]]
"""Of a net: the registers and RAMs that it comes from, by clock domain. Two of each domain at most, which is enough to
tell many from one."""


@dataclass(frozen=True, order=True)
class StrayPath:
    """A path from one clock domain to another that may give what neither of them has ever seen."""

    start: str
    """Register or RAM."""
    source: str
    """Its domain."""
    end: str
    destination: str
    in_synchronizer: bool
    """It ends in one, which is made for a single register and is given more."""

    def __str__(self) -> str:
        what = "is not the only one into that synchronizer" if self.in_synchronizer else "has no synchronizer"
        return f"the path from {self.start} in {self.source} to {self.end} in {self.destination} {what}"


def stray_paths(hierarchy: Hierarchy) -> tuple[StrayPath, ...]:
    """The paths of a design from a clock domain to another that

    - do not end in the first stage of a synchronizer, or depend there on more than one bit; and
    - do not begin in the memory of a FIFO with synchronizers of its own.

    Each pair of registers is told once, however wide they are. Pins have no domain.
    """
    return tuple(sorted(set(_Crossings(hierarchy).stray())))


class _Crossings:
    def __init__(self, hierarchy: Hierarchy):
        self._hierarchy = hierarchy
        self._cells = {
            name: cell for name, cell in hierarchy.cells.items() if cell["type"] in (*_CLOCKS, *_BETWEEN)
        }
        self._synchronizers = {
            hierarchy.component_of(name)
            for name, cell in self._cells.items()
            if cell["type"] == "TRELLIS_FF"
            and hierarchy.register_name(name).rpartition(".")[2] == _FIRST_STAGE
        }
        self._fifos = {component.rpartition(".")[0] for component in self._synchronizers}
        self._domains: dict[int, str] = {}
        self._drivers = {
            net: (name, port)
            for name, cell in self._cells.items()
            for port, nets in cell["connections"].items()
            if cell["port_directions"][port] == "output"
            for net in nets
        }
        self._sources: dict[int, _Sources] = {}
        for net in TopologicalSorter({net: self._passed(net) for net in self._drivers}).static_order():
            self._sources[net] = self._joined(net)

    def stray(self) -> Iterator[StrayPath]:
        for name, cell in self._cells.items():
            for port, net in _inputs(cell):
                if cell["type"] in _CLOCKS and port not in _CLOCKS[cell["type"]] and port != _READ_ADDRESS:
                    yield from self._strays_to(name, self._domain(cell, port), self._sources.get(net, {}))

    def _strays_to(self, name: str, destination: str, sources: _Sources) -> Iterator[StrayPath]:
        into = self._hierarchy.component_of(name) in self._synchronizers
        end = self._hierarchy.register_name(name)
        for source, starts in sources.items():
            if source == destination or (into and len(starts) == 1):
                continue
            for start in starts:
                if into or not self._is_fifo(start):
                    yield StrayPath(self._hierarchy.register_name(start), source, end, destination, into)

    def _is_fifo(self, name: str) -> bool:
        """Whether it is a RAM between synchronizers."""
        return self._cells[name]["type"] == _RAM and self._hierarchy.component_of(name) in self._fifos

    def _domain(self, cell: Mapping, port: str) -> str:
        """Clock domain of ``port``."""
        clocks = _CLOCKS[cell["type"]]
        is_second = cell["type"] == _BLOCK_RAM and port.rstrip("0123456789").endswith("B")
        net = cell["connections"][clocks[is_second]][0]
        if net not in self._domains:
            self._domains[net] = self._hierarchy.domain_of_net(net)
        return self._domains[net]

    def _passed(self, net: int) -> list[int]:
        """Nets that the driver of ``net`` passes on."""
        cell = self._cells[self._drivers[net][0]]
        if cell["type"] == _RAM:
            return [other for port, other in _inputs(cell) if port == _READ_ADDRESS]
        return [other for _, other in _inputs(cell)] if cell["type"] in _BETWEEN else []

    def _joined(self, net: int) -> _Sources:
        if net not in self._drivers:
            return {}
        found: dict[str, set[str]] = {}
        for other in self._passed(net):
            for domain, starts in self._sources[other].items():
                found.setdefault(domain, set()).update(starts)
        name, port = self._drivers[net]
        cell = self._cells[name]
        if cell["type"] in _CLOCKS:
            found.setdefault(self._domain(cell, port), set()).add(name)
        return {domain: frozenset(sorted(starts)[:2]) for domain, starts in found.items()}


def _inputs(cell: Mapping) -> Iterator[tuple[str, int]]:
    """Its ports that are no constants, and the nets there."""
    for port, nets in cell["connections"].items():
        if cell["port_directions"][port] == "input":
            yield from ((port, net) for net in nets if isinstance(net, int))
