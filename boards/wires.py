"""The wires of a design as Amaranth's RTLIL tells of them: from any of a wire's names to who drives it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Bit", "Wires"]

Bit = tuple[str, str, int]
"""Component, name of a wire in it, and which bit of that. Components are paths of names below the outermost one, ""."""

_MODULE = re.compile(r"module \\(\S+)")
_WIRE = re.compile(r"  wire width (\d+) (?:(input|output|inout) \d+ +)?\\(\S+)$")
_CELL = re.compile(r"  cell (?:\\(\S+)|(\$\S+)) (\S+)$")
_PORT = re.compile(r"    connect \\(\S+) (.*)$")
_ALIAS = re.compile(r"connect \\(\S+) (.*)$")
_ASSIGNED = re.compile(r"    assign \\(\S+) \[(\d+)(?::(\d+))?\] (.*)$")
_SWITCH = re.compile(r"    switch ")
_END = re.compile(r"  end$")
_SIGNAL = re.compile(r"(\\\S+|\$\S+)(?: \[(\d+)(?::(\d+))?\])?|(\d+)'[01xz-]+|([{}])")


@dataclass
class _Component:
    widths: dict[str, int] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    """What stands for a wire."""
    assigned: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    """What stands for some bits of a wire, from the lowest to the highest; of several the last one counts."""
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Components in this one: what their ports are connected to."""
    clocks: set[str] = field(default_factory=set)
    """Wires that registers are clocked by."""


class Wires:
    """All named wires of the design ``top``."""

    def __init__(self, rtlil: str, top: str = "top"):
        self._components: dict[str, _Component] = {}
        self._outputs: dict[str, dict[tuple[str, int], Bit]] = {}
        self._read(rtlil, top)
        self._domains: dict[Bit, set[tuple[int, str]]] = {}
        for path, component in self._components.items():
            for clock in component.clocks:
                *names, driver = self._walk((path, clock, 0))
                for where, name, _ in (*names, driver):
                    self._domains.setdefault(driver, set()).add((len(where.split(".")) if where else 0, name))

    @property
    def components(self) -> tuple[str, ...]:
        return tuple(self._components)

    def split(self, flat: str) -> tuple[str, str]:
        """Component and local name that ``flat``, a name in the flattened netlist, begins with."""
        steps = flat.split(".")
        for count in range(len(steps) - 1, 0, -1):
            component = ".".join(steps[:count])
            if component in self._components:
                return component, ".".join(steps[count:])
        return "", flat

    def bit(self, flat: str, index: int = 0) -> Bit | None:
        """The bit of a wire that has the name ``flat`` in the flattened netlist, or None if no wire has."""
        component, local = self.split(flat)
        return (component, local, index) if index < self._components[component].widths.get(local, 0) else None

    def driver(self, bit: Bit) -> Bit:
        """The same bit, where a register, logic or a primitive drives it."""
        *_, driver = self._walk(bit)
        return driver

    def clock_names(self, bit: Bit) -> tuple[str, ...]:
        """What the clock ``bit`` is called by the outermost component that has registers or parts with it; empty if it
        is no clock of a register."""
        clocks = {name for component in self._components.values() for name in component.clocks}
        names = {(depth, name) for depth, name in self._domains.get(self.driver(bit), ()) if name in clocks}
        outermost = min(names, default=(0, ""))[0]
        return tuple(sorted(name for depth, name in names if depth == outermost))

    def _walk(self, bit: Bit) -> Iterator[Bit]:
        """From ``bit`` to its driver, both included."""
        seen = set()
        step: Bit | None = bit
        while step is not None and step not in seen:
            yield step
            seen.add(step)
            step = self._towards_driver(step)

    def _towards_driver(self, bit: Bit) -> Bit | None:
        path, name, index = bit
        component = self._components[path]
        if name in component.aliases:
            return self._named(path, component.aliases[name], index)
        for low, high, signal in reversed(component.assigned.get(name, ())):
            if low <= index <= high:
                return self._named(path, signal, index - low)
        if name in component.inputs:
            parent, _, part = path.rpartition(".")
            if not path or name not in self._components[parent].parts.get(part, {}):
                return None
            return self._named(parent, self._components[parent].parts[part][name], index)
        return self._outputs_in(path).get((name, index))

    def _named(self, path: str, signal: str, index: int) -> Bit | None:
        """Bit ``index`` of ``signal`` in the component ``path``, if it has a name."""
        bits = list(self._bits(path, signal))
        name, place = bits[index] if index < len(bits) else (None, 0)
        return None if name is None else (path, name, place)

    def _outputs_in(self, path: str) -> dict[tuple[str, int], Bit]:
        """Which wires of a component its parts drive."""
        if path not in self._outputs:
            found = self._outputs[path] = {}
            for part, ports in self._components[path].parts.items():
                inside = f"{path}.{part}".removeprefix(".")
                for port, signal in ports.items():
                    if port not in self._components[inside].inputs:
                        for index, (name, place) in enumerate(self._bits(path, signal)):
                            if name is not None:
                                found[name, place] = (inside, port, index)
        return self._outputs[path]

    def _bits(self, path: str, signal: str) -> Iterator[tuple[str | None, int]]:
        """Bits of an RTLIL signal, the lowest first; those of constants and nameless wires have no name."""
        chunks: list[list[tuple[str | None, int]]] = []
        for name, high, low, width, _ in _SIGNAL.findall(signal):
            if name.startswith("\\"):
                local = name[1:]
                first = int(low or high or 0)
                last = int(high) if high else self._components[path].widths.get(local, 1) - 1
                chunks.append([(local, index) for index in range(first, last + 1)])
            elif name or width:
                count = int(width) if width else int(high or 0) - int(low or high or 0) + 1
                chunks.append([(None, 0)] * count)
        for chunk in reversed(chunks):
            yield from chunk

    def _read(self, rtlil: str, top: str) -> None:
        component = _Component()
        ports: dict[str, str] = {}
        assigned: dict[str, list[tuple[int, int, str]]] = {}
        for line in rtlil.splitlines():
            if match := _MODULE.match(line):
                component = self._components.setdefault(
                    match[1].removeprefix(top).removeprefix("."), _Component()
                )
            elif match := _WIRE.match(line):
                component.widths[match[3]] = int(match[1])
                if match[2] == "input":
                    component.inputs.add(match[3])
            elif match := _CELL.match(line):
                ports = {}
                if match[1] and match[1].startswith(f"{top}."):
                    component.parts[match[3].removeprefix("\\")] = ports
            elif match := _PORT.match(line):
                ports[match[1]] = match[2]
                if match[1] == "CLK":
                    component.clocks |= {name.removeprefix("\\") for name, *_ in _SIGNAL.findall(match[2])}
            elif match := _ASSIGNED.match(line):
                high, low = int(match[2]), int(match[3] or match[2])
                assigned.setdefault(match[1], []).append((low, high, match[4]))
            elif _SWITCH.match(line):
                assigned = {}  # it depends
            elif _END.match(line):
                component.assigned |= assigned
                assigned = {}
            elif match := _ALIAS.match(line):
                component.aliases[match[1]] = match[2]
