"""The word stream of a port with a look at it: what both parsers have in common."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..packet import PacketSignature, Word
from ..params import Params

__all__ = ["LENGTH_BITS", "WordTap"]

LENGTH_BITS = 14
"""Width of a frame's length in octets."""


class WordTap(wiring.Component):
    """Passes packets through one register and times the stages of a parser beside it.

    A frame's fields go through three ranks of registers, which the parser owns and this block enables:
    *captured* (loaded from ``word`` while ``capture``), *judged* (from captured while ``judge``), and the
    *header* (from judged while ``finish``). Ranks are elastic: only when one frame's header waits, the next
    one is judged and a third one captured is the input held. With ``weighs`` the judged rank stays for a second clock
    at least, so that the header may depend on registers behind it.

    The *keys* of a frame are some of its captured fields. They are offered as soon as the parser says so, or when
    the frame ends before. While they wait, the input is held only
    at the start of the next frame, which would overwrite them.

    Latency: ``input`` to ``output`` 1 clock; the last word of the keys at ``output`` to ``keys_valid`` 1
    clock; a frame's last word at ``output`` to ``header_valid`` 3 clocks, 4 with ``weighs``. Throughput: one word per
    clock, but for a frame that ends with the last word of its keys, which costs one clock more. Who takes keys and
    headers holds nothing up within a clock: what is enabled here follows from registers.

    Parameters
    ----------
    params
        Build parameters.
    span
        The parser looks at octets 0 to ``span - 1``.
    weighs
        See above.

    Members
    -------
    input, output
        The packet stream. ``output`` is registered.
    load
        ``input`` is being taken; ``next_at`` tells which word of its frame that is.
    word, at
        The word under inspection, and its number in the frame, one-hot. Numbers do not go beyond
        :attr:`beyond`.
    capture
        ``word`` counts in this clock.
    key_end
        The last octet of the keys is in ``word``.
    length, error
        Captured rank: octets and error flag of the frame. Lengths are modulo 2**14, the ingress queue cuts
        longer frames.
    keys_valid, keys_ready
        Handshake of the keys stream.
    judge, finish
        Enables of the other ranks.
    header_valid, header_ready
        Handshake of the header stream.
    """

    def __init__(self, params: Params, span: int, *, weighs: bool = False):
        if not isinstance(span, int) or span < 1:
            raise ValueError(f"span must be a positive number of octets, not {span!r}")
        self.params = params
        self.span = span
        self.weighs = weighs
        self.beyond = -(-span // params.word_bytes)
        """Number of every word behind the span."""
        super().__init__(
            {
                "input": In(PacketSignature(params.width)),
                "output": Out(PacketSignature(params.width)),
                "load": Out(1),
                "next_at": Out(self.beyond + 1, init=1),
                "word": Out(Word(params.width)),
                "at": Out(self.beyond + 1, init=1),
                "capture": Out(1),
                "key_end": In(1),
                "length": Out(LENGTH_BITS),
                "error": Out(1),
                "keys_valid": Out(1),
                "keys_ready": In(1),
                "judge": Out(1),
                "finish": Out(1),
                "header_valid": Out(1),
                "header_ready": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()

        pending = Signal()  # `word` has not been inspected yet
        captured = Signal()  # the captured rank holds a whole frame
        judged = Signal()
        ripe = Signal(init=not self.weighs)  # for long enough
        keyed = Signal()  # the frame under inspection has offered its keys
        hold = (
            Signal()
        )  # the captured rank, or the keys, are those of the frame before, which nobody has taken yet
        ends = Signal()
        m.d.comb += [
            self.finish.eq(judged & ripe & ~self.header_valid),
            self.judge.eq(captured & (~judged | self.finish)),
            self.capture.eq(pending & ~hold),
            ends.eq(self.capture & self.word.last),
            self.input.ready.eq((~self.output.valid | self.output.ready) & ~(pending & hold)),
            self.load.eq(self.input.valid & self.input.ready),
            self.word.eq(self.output.payload),
        ]

        before = Signal(LENGTH_BITS)  # octets in front of `word`
        next_before = Signal(LENGTH_BITS)
        with m.If(self.output.ready):
            m.d.sync += self.output.valid.eq(0)
        with m.If(self.capture):
            m.d.sync += pending.eq(0)
        with m.If(self.load):
            m.d.sync += [
                self.output.payload.eq(self.input.payload),
                self.output.valid.eq(1),
                pending.eq(1),
                self.at.eq(self.next_at),
                before.eq(next_before),
                next_before.eq(next_before + self.params.word_bytes),
            ]
            with m.If(self.input.payload.last):
                m.d.sync += [self.next_at.eq(1), next_before.eq(0)]
            with m.Else():
                m.d.sync += self.next_at.eq(Cat(Const(0, 1), self.next_at[:-2], self.next_at[-2:].any()))

        # Two registers decide over every other one here, so ``hold`` is found out a clock ahead: will the captured rank
        # be full and not go on to the judged one, or keys wait while the next frame's are to come?
        header_stays = self.header_valid & ~self.header_ready
        keys_stay = self.keys_valid & ~self.keys_ready
        if self.weighs:
            # The judged rank goes on in the next clock if it does not in this one, and no header stays.
            goes_on = judged & ~self.finish & ~header_stays
            both_full = (captured | judged & ~self.finish) & ~goes_on
            still_full = captured & ~self.judge & ~goes_on
            m.d.sync += ripe.eq(judged & ~self.finish)
        else:
            both_full = Mux(self.header_valid, header_stays & (captured | judged), judged & captured)
            still_full = captured & judged & header_stays
        m.d.sync += hold.eq((ends & (both_full | ~keyed | keys_stay)) | still_full | (keys_stay & ~keyed))

        with m.If(self.judge):
            m.d.sync += captured.eq(0)
        with m.If(self.capture):
            m.d.sync += [
                self.length.eq(before + self.word.count),
                self.error.eq(self.word.error),
            ]
        with m.If(ends):
            m.d.sync += captured.eq(1)

        with m.If(self.keys_ready):
            m.d.sync += self.keys_valid.eq(0)
        with m.If(self.capture & ~keyed & (self.key_end | self.word.last)):
            m.d.sync += [self.keys_valid.eq(1), keyed.eq(1)]
        with m.If(ends):
            m.d.sync += keyed.eq(0)

        with m.If(self.finish):
            m.d.sync += judged.eq(0)
        with m.If(self.judge):
            m.d.sync += judged.eq(1)
        with m.If(self.header_ready):
            m.d.sync += self.header_valid.eq(0)
        with m.If(self.finish):
            m.d.sync += self.header_valid.eq(1)
        return m

    def passes(self, offset: int) -> Value:
        """The octet at ``offset`` of the frame is in ``word``, which counts."""
        return self.capture & self.at[offset // self.params.word_bytes]
