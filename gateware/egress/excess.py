"""Frames that were too big for some of their receivers, on their way to the host."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import Drop
from ..hostport.interest import Interest, Wish, at_port, wish
from ..hostport.sampler import Sampler
from ..params import Params
from .releases import Released

__all__ = ["Excess", "ExcessFrame"]


class ExcessFrame(data.StructLayout):
    """A reference to a stored frame for the host, that came in on access port ``port`` with ``length`` octets."""

    def __init__(self, params: Params):
        super().__init__(
            {"head": params.cell_bits, "length": 14, "port": range(params.access_ports), "is_sample": 1}
        )


class Excess(wiring.Component):
    """Gives the host what the verdict could not: that a frame to a list is too big for some members shows when they
    have passed the replicator. The port's reference becomes the host's when the port is done with it.

    One frame may be on its way to the host; another one that comes meanwhile is released. The port never waits.

    Members
    -------
    keep
        If such a frame came now, the host should get it.
    too_big, kept, length, port
        Strobe: the last job of such a frame was accepted, and whether it says that the host gets it. It came in on
        ``port`` with ``length`` octets.
    released
        What the port is done with.
    release
        References to give up.
    frame
        Stream of :class:`ExcessFrame`.
    interest, interval
        What the host asked for. Samples are told by a :class:`.sampler.Sampler` of this port's own.
    lost
        Strobe: the host wanted a frame while another one was on its way.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "keep": Out(1),
                "too_big": In(1),
                "kept": In(1),
                "length": In(14),
                "port": In(range(params.access_ports)),
                "released": In(stream.Signature(Released(params))),
                "release": Out(stream.Signature(params.cell_bits)),
                "frame": Out(stream.Signature(ExcessFrame(params))),
                "interest": In(Interest(params)),
                "interval": In(16),
                "lost": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.sampler = sampler = Sampler()
        too_big = data.View(Wish, wish(self.interest, Drop.TOO_BIG))
        wished = Signal(Wish)
        wanted = Signal()
        under_way = Signal()  # from its last job until the host has taken it
        keeps = self.released.payload.keep
        frame = self.frame.payload
        m.d.comb += [
            wished.as_value().eq(at_port(self.interest, too_big, self.port)),
            wanted.eq(wished.always | (wished.sampled & sampler.due)),
            self.keep.eq(wanted & ~under_way),
            self.lost.eq(self.too_big & wanted & ~self.kept),
            sampler.interval.eq(self.interval),
            sampler.passes.eq(self.too_big & wished.sampled & ~wished.always),
            self.release.payload.eq(self.released.payload.head),
            self.release.valid.eq(self.released.valid & ~keeps),
            self.released.ready.eq(Mux(keeps, 1, self.release.ready)),
        ]
        with m.If(self.too_big & self.kept):
            m.d.sync += [
                under_way.eq(1),
                frame.length.eq(self.length),
                frame.port.eq(self.port),
                frame.is_sample.eq(~wished.always),
            ]
        with m.If(self.released.valid & keeps):
            m.d.sync += [self.frame.valid.eq(1), frame.head.eq(self.released.payload.head)]
        with m.If(self.frame.valid & self.frame.ready):
            m.d.sync += [self.frame.valid.eq(0), under_way.eq(0)]
        return m
