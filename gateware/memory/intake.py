"""From the word streams of all ports to one."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..arbiter import Arbitrated, StreamArbiter
from ..packet import PacketSignature
from ..params import Params
from .writer import StoredWord

__all__ = ["Intake"]


class Intake(wiring.Component):
    """Arbitrate the ports' word streams, word by word, in round-robin order.

    One word per clock, latency one clock. A port whose ``room`` is 0 waits, the others go on.

    Members
    -------
    write : In(PacketSignature(width)).array(ports)
    room : In(1).array(ports)
        The port may hand over a word; stays until it has.
    ends : Out(1).array(ports)
        A frame's last word was accepted in the clock before.
    words : Out(stream.Signature(Arbitrated(StoredWord(params), ports)))
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "write": In(PacketSignature(params.width)).array(params.ports),
                "room": In(1).array(params.ports),
                "ends": Out(1).array(params.ports),
                "words": Out(stream.Signature(Arbitrated(StoredWord(params), params.ports))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.arbiter = arbiter = StreamArbiter(StoredWord(self.params), self.params.ports)
        wiring.connect(m, arbiter.output, wiring.flipped(self.words))
        for write, room, ends, channel in zip(self.write, self.room, self.ends, arbiter.inputs, strict=True):
            m.d.comb += [
                channel.valid.eq(write.valid & room),
                channel.payload.data.eq(write.payload.data),
                channel.payload.last.eq(write.payload.last),
                write.ready.eq(channel.ready),
            ]
            m.d.sync += ends.eq(channel.valid & channel.ready & channel.payload.last)
        return m
