"""Back from a flat netlist to the components that people know.

Yosys flattens the design, keeps one of the names of each wire, and calls what it makes after some wire nearby.
The RTLIL that it began with tells where each of these wires is driven.
"""

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .area import COMB_OF_CELL, ComponentArea, Size, component_tree
from .synthesis import NETLIST, RTLIL
from .wires import Bit, Wires

__all__ = ["Hierarchy"]

_CLOCK_SUFFIX = "_clk"
_GLOBAL = "$glbnet$"
_PAD_BUFFER = "TRELLIS_IO"
"""Its pin is at port B, what comes from there at O."""
_OUTPUTS = {"TRELLIS_FF": "Q", "LUT4": "Z"}
"""Cells that belong to the component which drives the wire at this port."""


class Hierarchy:
    """Components of a design by the names in its flat netlist.

    ``rtlil`` is what Amaranth wrote, ``netlist`` what Yosys made of it (the module of ``write_json``). Components are
    paths of names below the outermost one, itself "". Registers, RAMs and primitives are told exactly; logic is told by
    the wire that it is named after, which is close, since Yosys moves logic across the borders of components.
    """

    def __init__(self, rtlil: str, netlist: Mapping):
        self._wires = Wires(rtlil)
        self.cells: Mapping[str, Mapping] = netlist["cells"]
        """Of the netlist, by name."""
        self._nets = netlist["netnames"]
        self._known: dict[int, Bit] = {}
        for name, net in self._nets.items():
            for index, number in enumerate(net["bits"]):
                if (
                    isinstance(number, int)
                    and number not in self._known
                    and (bit := self._wires.bit(name, index))
                ):
                    self._known[number] = bit
        self.component_of = cache(self._component_of)

    @classmethod
    def read(cls, where: Path) -> "Hierarchy":
        """Of what :func:`.synthesis.synthesise` has left in the folder ``where``."""
        return cls((where / RTLIL).read_text(), json.loads((where / NETLIST).read_text())["modules"]["top"])

    def _driver(self, number: object) -> Bit | None:
        """Of a numbered net of the netlist, if one of its names is known."""
        bit = self._known.get(number) if isinstance(number, int) else None
        return None if bit is None else self._wires.driver(bit)

    def _output(self, name: str) -> Bit | None:
        cell = self.cells.get(name)
        if cell is None or cell["type"] not in _OUTPUTS:
            return None
        return self._driver(cell["connections"][_OUTPUTS[cell["type"]]][0])

    def _component_of(self, name: str) -> str:
        """Component that the cell ``name`` belongs to, as the netlist or nextpnr name it."""
        if driver := self._output(name):
            return driver[0]
        # Yosys appends _TYPE_PORT_NUMBER to the wire's name, nextpnr $WHAT to the cell's.
        wire = name.split("$", 1)[0]
        while True:
            if driver := self._driver_of_net(wire):
                return driver[0]
            wire, underscore, _ = wire.rpartition("_")
            if not underscore:
                return self._wires.split(name)[0]

    def _driver_of_net(self, name: str) -> Bit | None:
        numbers = self._nets[name]["bits"] if name in self._nets else ()
        return next(filter(None, map(self._driver, numbers)), None)

    def register_name(self, name: str) -> str:
        """Of the register, RAM or primitive that is the cell ``name``: as its component calls it."""
        if driver := self._output(name):
            return f"{driver[0]}.{driver[1]}".removeprefix(".")
        return name.split("$", 1)[0]

    def domain_of(self, net: str) -> str:
        """Clock domain, as Amaranth names it, that the ``net`` of nextpnr clocks; several are joined by ``/``."""
        net = net.removeprefix(_GLOBAL)
        driver = self._driver_of_net(net)
        return self._domain_of(driver) if driver else net

    def domain_of_net(self, number: int) -> str:
        """The same of the net with a ``number`` in the netlist."""
        driver = self._driver(number)
        return self._domain_of(driver) if driver else str(number)

    def _domain_of(self, driver: Bit) -> str:
        return "/".join(map(_domain, self._wires.clock_names(driver)))

    def names_of(self, net: str) -> set[str]:
        """All names that the netlist has for ``net`` of nextpnr, and for the pin that drives it through a buffer."""
        bits = set(self._nets.get(net.removeprefix(_GLOBAL), {"bits": ()})["bits"])
        for cell in self.cells.values():
            if cell["type"] == _PAD_BUFFER and bits & set(cell["connections"].get("O", ())):
                bits |= set(cell["connections"]["B"])
        return {net.removeprefix(_GLOBAL)} | {
            name for name, found in self._nets.items() if bits & set(found["bits"])
        }

    def sizes(self, name: str, depth: int, inside: str = "") -> tuple[ComponentArea, ...]:
        """Sizes of the design, or the component ``inside`` it, called ``name``, and of its components down to ``depth``
        levels, empty ones left out."""
        own: dict[str, Counter[str]] = {component: Counter() for component in self._wires.components}
        for cell, kind in ((cell, found["type"]) for cell, found in self.cells.items()):
            if kind in COMB_OF_CELL or kind in ("TRELLIS_FF", "DP16KD"):
                own[self.component_of(cell)][kind] += 1
        below = f"{inside}." if inside else ""
        counted = {
            component.removeprefix(inside).removeprefix("."): Size.of(cells)
            for component, cells in own.items()
            if component == inside or component.startswith(below)
        }
        areas = component_tree(counted, name, depth)
        return tuple(area for area in areas if area.comb or area.ff or area.block_rams)


def _domain(clock: str) -> str:
    return "sync" if clock == "clk" else clock.removesuffix(_CLOCK_SUFFIX)
