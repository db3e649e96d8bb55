"""Giving up references to frames that have been sent."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..params import Params

__all__ = ["Held", "Released", "Releases"]

_DEPTH = 16
"""ECP5's distributed RAM is 16 deep; fewer would cost the same."""


class Released(data.StructLayout):
    """A reference to ``head`` that a port is done with. The host wants to ``keep`` it."""

    def __init__(self, params: Params):
        super().__init__({"head": params.cell_bits, "keep": 1})


class Held(data.StructLayout):
    """What a job holds: ``reference`` goes with its end if ``release``."""

    def __init__(self, params: Params):
        super().__init__({"reference": Released(params), "release": 1})


class Releases(wiring.Component):
    """Remembers what accepted jobs hold until they are done, and then releases it in order.

    ``job``      a job was accepted; ``ready`` stays high until one is.
    ``done``     strobe: the oldest job that was not done is.
    ``release``  one reference that is not needed any more, 2 clocks after ``done`` if none waits before it.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "job": In(stream.Signature(Held(params))),
                "done": In(1),
                "release": Out(stream.Signature(Released(params))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=Held(self.params), depth=_DEPTH, init=[])
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        # Jobs from ``read`` to ``undone`` are done, those from there to ``write`` are not.
        undone = Signal.like(read.addr)
        any_done = Signal()
        room = Signal(range(_DEPTH), init=_DEPTH - 1)
        accept = Signal()
        take = Signal()
        took = Signal()
        m.d.comb += [
            accept.eq(self.job.valid & self.job.ready),
            write.en.eq(1),  # what is no job's, the next job overwrites: one row is always free
            write.data.eq(self.job.payload),
            take.eq(any_done & (~self.release.valid | self.release.ready)),
        ]
        with m.If(accept):
            m.d.sync += write.addr.eq(write.addr + 1)
        # What was taken gives room a clock later, to keep the release's ready off this path.
        m.d.sync += took.eq(take)
        with m.If(accept & ~took):
            m.d.sync += room.eq(room - 1)
        with m.Elif(took & ~accept):
            m.d.sync += room.eq(room + 1)
        m.d.sync += self.job.ready.eq((room != 0) & ~accept)

        with m.If(self.done):
            m.d.sync += [undone.eq(undone + 1), any_done.eq(1)]
        with m.Elif(take & ((read.addr + 1)[: len(undone)] == undone)):
            m.d.sync += any_done.eq(0)
        with m.If(take):
            m.d.sync += read.addr.eq(read.addr + 1)
        with m.If(~self.release.valid | self.release.ready):
            m.d.sync += [
                self.release.valid.eq(any_done & read.data.release),
                self.release.payload.eq(read.data.reference),
            ]
        return m
