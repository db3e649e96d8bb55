"""One ingress port: from the MAC to packet memory and the lookup."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..buffer import Buffer
from ..headers import GROUP_PREFIX_BITS, Header, Keys, Stored
from ..packet import PacketSignature, Word
from ..params import Params
from .access import AccessParser
from .fabric import FabricParser
from .gate import Gate
from .queue import IngressQueue

__all__ = ["Frame", "IngressPort"]


class Frame(data.StructLayout):
    """A frame whose header is parsed and whose last word is in packet memory."""

    def __init__(self, params: Params):
        super().__init__({"header": Header(params), "stored": Stored(params)})


class IngressPort(wiring.Component):
    """Gate, queue and parser of port ``port``; pairs each header with the place where packet memory put the frame.

    ``native_vid`` matters to access ports; ``mac``, ``address``, ``advert_sum``, ``sid_function`` and ``group_prefix``
    to fabric ports.
    ``keys`` and ``frames`` have one each for every frame that passed the gate, bad ones included, keys first.
    ``dropped`` is a strobe per frame that is not among them, as the queue was full.
    The consumer of ``frames`` must not be ready without ``valid``, which keeps the ports' handshakes short.
    """

    def __init__(self, params: Params, port: int):
        self.params = params
        self.port = port
        super().__init__(
            {
                "rx": In(PacketSignature(params.width, always_ready=True)),
                "enable": In(1),
                "native_vid": In(12),
                "mac": In(48),
                "address": In(128),
                "advert_sum": In(16),
                "sid_function": In(1),
                "group_prefix": In(GROUP_PREFIX_BITS),
                "words": Out(PacketSignature(params.width)),
                "stored": In(stream.Signature(Stored(params))),
                "keys": Out(stream.Signature(Keys)),
                "frames": Out(stream.Signature(Frame(params))),
                "dropped": Out(1),
                "received": Out(
                    wiring.Signature({"frame": Out(1), "octets": Out(range(params.word_bytes + 1))})
                ),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.gate = gate = Gate(params.width)
        m.submodules.queue = queue = IngressQueue(params)
        if params.is_fabric(self.port):
            m.submodules.parser = parser = FabricParser(params)
            m.d.comb += [
                parser.mac.eq(self.mac),
                parser.address.eq(self.address),
                parser.advert_sum.eq(self.advert_sum),
                parser.sid_function.eq(self.sid_function),
                parser.group_prefix.eq(self.group_prefix),
            ]
        else:
            m.submodules.parser = parser = AccessParser(params)
            m.d.comb += parser.native_vid.eq(self.native_vid)
        m.d.comb += [gate.enable.eq(self.enable), self.dropped.eq(queue.dropped)]

        connect(m, flipped(self.rx), gate.input)
        connect(m, gate.output, queue.input)
        connect(m, queue.output, parser.input)
        # Memory's arbiter must not reach through the parser to the queue.
        m.submodules.buffer = buffer = Buffer(Word(params.width))
        connect(m, parser.output, buffer.input)
        connect(m, buffer.output, flipped(self.words))
        connect(m, parser.keys, flipped(self.keys))

        # Both are taken together; ``frames.ready`` comes only while both are there.
        m.d.comb += [
            self.frames.valid.eq(parser.header.valid & self.stored.valid),
            self.frames.payload.header.eq(parser.header.payload),
            self.frames.payload.stored.eq(self.stored.payload),
            parser.header.ready.eq(self.frames.ready),
            self.stored.ready.eq(self.frames.ready),
        ]

        word = gate.output.payload
        m.d.sync += [
            self.received.frame.eq(gate.output.valid & word.last),
            self.received.octets.eq(0),
        ]
        with m.If(gate.output.valid):
            with m.If(word.last):
                m.d.sync += self.received.octets.eq(word.count)
            with m.Else():
                m.d.sync += self.received.octets.eq(params.word_bytes)
        return m
