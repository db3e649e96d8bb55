"""Where time is lost: the registers that the slowest paths end at."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache

from .area import COMB_OF_CELL
from .hierarchy import Hierarchy

__all__ = ["DETAILED", "SlowEnd", "slow_ends"]

DETAILED = "--detailed-timing-report"
"""What nextpnr must be told so that its report says it all."""
_READ_ADDRESS = "RAD"
"""The only input of LUT RAM that its output follows at once; all others belong to writing."""


@dataclass(frozen=True)
class SlowEnd:
    """A register or RAM, and the slowest path to it."""

    name: str
    """As its component calls it, with its component."""
    start: str
    """Where the path begins that is most cells long, which need not be the slowest one: nextpnr does not tell."""
    cells: int
    """Logic on that path."""
    delay_ns: float
    """Of the slowest path, from the clock on, without the time that the register itself needs before the next one."""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def slow_ends(report: Mapping, netlist: Mapping, hierarchy: Hierarchy, count: int) -> tuple[SlowEnd, ...]:
    """The ``count`` slowest ends in a ``report`` of nextpnr that was asked for ``DETAILED``, slowest first, each
    register once. ``netlist`` is what was placed, the module of Yosys' `write_json`."""
    logic = _Logic(netlist)
    slowest: dict[str, tuple[float, str, str]] = {}
    for net in report["detailed_net_timings"]:
        for end in net["endpoints"]:
            name, delay = hierarchy.register_name(end["cell"]), max(end["delay"])
            if name not in slowest or delay > slowest[name][0]:
                slowest[name] = (delay, net["driver"], end["cell"])
    ends = []
    for name, (delay, source, end) in sorted(slowest.items(), key=lambda item: -item[1][0])[:count]:
        cells, start = logic.longest(source, end)
        ends.append(SlowEnd(name, hierarchy.register_name(start), cells, round(delay, 2)))
    return tuple(ends)


class _Logic:
    """What stands between registers, by the names of cells."""

    def __init__(self, netlist: Mapping):
        self._cells = netlist["cells"]
        self._driver = {
            bit: name
            for name, cell in self._cells.items()
            for port, bits in cell["connections"].items()
            if cell["port_directions"][port] == "output"
            for bit in bits
        }
        self._longest = cache(self._measure)

    def longest(self, source: str, end: str) -> tuple[int, str]:
        """Cells of logic on the longest path that enters ``end`` from the cell ``source``, and the register that it
        begins with."""
        source, end = self._whole(source), self._whole(end)
        # nextpnr puts what writes LUT RAM and what reads it in cells of their own.
        if source == end and self._is_ram(end):
            return max(map(self._longest, self._sources(end, writes=True)), default=(0, end))
        return self._longest(source)

    def _whole(self, name: str) -> str:
        """The cell of the netlist that nextpnr made ``name`` of."""
        return name if name in self._cells else name.rpartition("$")[0]

    def _is_ram(self, name: str) -> bool:
        return name in self._cells and _READ_ADDRESS in self._cells[name]["connections"]

    def _measure(self, name: str) -> tuple[int, str]:
        if name not in self._cells or self._cells[name]["type"] not in COMB_OF_CELL:
            return 0, name
        cells, start = max(map(self._longest, self._sources(name, writes=False)), default=(0, name))
        return cells + 1, start

    def _sources(self, name: str, *, writes: bool) -> list[str]:
        """Cells that drive the inputs of ``name``; of LUT RAM, those that belong to writing or to reading."""
        cell = self._cells[name]
        ports = {port for port, way in cell["port_directions"].items() if way == "input"}
        if self._is_ram(name):
            ports = ports - {_READ_ADDRESS} if writes else {_READ_ADDRESS}
        bits = {bit for port in ports for bit in cell["connections"].get(port, ())}
        return sorted({self._driver[bit] for bit in bits if bit in self._driver})
