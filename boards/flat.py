"""A component with flat ports of plain names, as Verilog and the people who instantiate it want them."""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

__all__ = ["FlatComponent", "FlatPort"]


@dataclass(frozen=True)
class FlatPort:
    """One port of a :class:`FlatComponent`, and what it stands for."""

    name: str
    is_input: bool
    width: int
    member: str
    """Member of the component's signature, such as ``rx``."""
    part: str
    """Of that member: of a stream its ``valid``, ``ready``, or a field of its payload."""


class FlatComponent(wiring.Component):
    """``inner`` with one port per signal, and one per field where a signal has fields.

    The names are those of the members, joined by underscores, their indices right behind them. The field of a payload
    stands for it, and "data" for one without fields: ``rx[0].payload.last`` becomes ``rx0_last``. Inputs that are
    constants, such as the ``ready`` of a stream that may never wait, have no port.
    """

    def __init__(self, inner: wiring.Component):
        self.inner = inner
        self.ports: list[FlatPort] = []
        self._inside: dict[str, Value] = {}
        for path, member, value in inner.signature.flatten(inner):
            for part, bits in _parts(value):
                if isinstance(Value.cast(bits), Const):
                    continue
                steps = (
                    [*path[:-1], part or "data"] if path[-1] == "payload" else [*path, *filter(None, [part])]
                )
                name = _join(steps)
                self.ports.append(
                    FlatPort(
                        name,
                        member.flow == In,
                        len(Value.cast(bits)),
                        str(path[0]),
                        _join(steps[_owner(path) :]),
                    )
                )
                self._inside[name] = Value.cast(bits)
        names = [port.name for port in self.ports]
        if len(set(names)) != len(names):
            raise ValueError("two members have the same flat name")
        super().__init__(
            {
                port.name: wiring.Member(wiring.In if port.is_input else wiring.Out, port.width)
                for port in self.ports
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        for port in self.ports:
            inside, outside = self._inside[port.name], getattr(self, port.name)
            m.d.comb += inside.eq(outside) if port.is_input else outside.eq(inside)
        return m


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, data.View) and isinstance(
        layout := data.Layout.cast(value.shape()), data.StructLayout
    ):
        for name, _ in layout:
            yield name, value[name]
    else:
        yield "", value


def _join(steps: list) -> str:
    text = ""
    for step in steps:
        text += str(step) if isinstance(step, int) or not text else f"_{step}"
    return text


def _owner(path: tuple) -> int:
    """How many steps of ``path`` name the member itself, with its index."""
    return 2 if len(path) > 1 and isinstance(path[1], int) else 1
