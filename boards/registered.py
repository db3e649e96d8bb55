"""Out-of-context timing: a component between registers."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["INNER", "Registered"]

INNER = "inner"
"""Name of the component between the registers."""


class Registered(wiring.Component):
    """``inner`` with every input and output registered, so that its timing stands alone.

    For synthesis only: the registers break the handshake of streams.
    """

    def __init__(self, inner: wiring.Component):
        self.inner = inner
        ports = {}
        for path, member, _ in inner.signature.flatten(inner):
            # The `ready` of an always-ready stream is a constant.
            if isinstance(self._value(path), Signal):
                ports["__".join(map(str, path))] = (path, member.flow)
        self._ports = ports
        super().__init__(
            {
                name: wiring.Member(flow, Signal.like(self._value(path)).shape())
                for name, (path, flow) in ports.items()
            }
        )

    def _value(self, path):
        value = self.inner
        for step in path:
            value = value[step] if isinstance(step, int) else getattr(value, step)
        return value.as_value() if hasattr(value, "as_value") else value

    def elaborate(self, platform):
        m = Module()
        m.submodules[INNER] = self.inner
        for name, (path, flow) in self._ports.items():
            inner, outer = self._value(path), getattr(self, name)
            if flow == In:
                m.d.sync += inner.eq(outer)
            else:
                m.d.sync += outer.eq(inner)
        return m
