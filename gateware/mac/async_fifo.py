"""A queue between two clock domains, for clocks near the limit of the fabric."""

from amaranth.hdl import Cat, DomainRenamer, Module, ResetSignal, Signal, Value
from amaranth.lib.cdc import AsyncFFSynchronizer, FFSynchronizer
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from ..buffer import Buffer

__all__ = ["AsyncFifo"]


def _gray(binary: Value) -> Value:
    return binary ^ binary[1:]


def _binary(gray: Signal) -> Value:
    result = gray
    shift = 1
    while shift < len(gray):
        result = result ^ result[shift:]
        shift *= 2
    return result


class AsyncFifo(Component):
    """``depth`` words of LUT RAM, a power of two, and a :class:`Buffer`, between the domains ``write`` and ``read``.

    The members are those of Amaranth's ``AsyncFIFOBuffered``, and so is what a reset does: one of ``write`` empties
    the queue but for the buffer, and words may come that nobody wrote; one of ``read`` costs the words in the
    buffer. The difference is in what a clock has to do: the RAM's addresses are registers, and neither side's
    decision has to wait for a comparison of counters and then to reach one. For that the last word of the
    RAM may stay unused.

    A word is out three to four clocks of ``read`` and one of ``write`` after it was taken.
    """

    def __init__(self, width: int, depth: int):
        self.width = width
        self.depth = depth
        super().__init__(
            {
                "w_data": In(width),
                "w_en": In(1),
                "w_rdy": Out(1),
                "r_data": Out(width),
                "r_en": In(1),
                "r_rdy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = exact_log2(self.depth) + 1
        m.submodules.storage = storage = Memory(shape=self.width, depth=self.depth, init=[])

        written, written_gray, written_seen = Signal(bits), Signal(bits), Signal(bits)
        following, following_gray = Signal(bits, init=1), Signal(bits, init=1)
        """One more than ``written``."""
        # A reset of `read` must not change what `write` believes to be read.
        taken = Signal(bits, reset_less=True)
        taken_gray = Signal(bits, reset_less=True)
        taken_seen = Signal(bits)
        m.submodules.produce_cdc = FFSynchronizer(written_gray, written_seen, o_domain="read")
        m.submodules.consume_cdc = FFSynchronizer(taken_gray, taken_seen, o_domain="write")

        write = storage.write_port(domain="write")
        # A whole turn ahead the two highest bits of the Gray code differ, and no others.
        full = Cat((gray ^ taken_seen) == 0b11 << bits - 2 for gray in (written_gray, following_gray)).any()
        m.d.write += self.w_rdy.eq(~full)
        m.d.comb += [
            write.addr.eq(written),
            write.data.eq(self.w_data),
            write.en.eq(self.w_en & self.w_rdy),
        ]
        with m.If(write.en):
            m.d.write += [
                written.eq(following),
                written_gray.eq(following_gray),
                following.eq(following + 1),
                following_gray.eq(_gray((following + 1)[:bits])),
            ]

        # Counters of Gray code that are set to 0 change in many bits at once. What `write` believes to be written after
        # its reset is therefore taken over, as it arrives and while nothing is read.
        reset = Signal()
        m.submodules.rst_cdc = AsyncFFSynchronizer(
            ResetSignal("write", allow_reset_less=True), reset, o_domain="read"
        )
        read = storage.read_port(domain="comb")
        m.submodules.buffer = buffer = DomainRenamer("read")(Buffer(self.width))
        m.d.comb += [
            read.addr.eq(taken),
            buffer.input.payload.eq(read.data),
            buffer.input.valid.eq((taken_gray != written_seen) & ~reset),
            self.r_data.eq(buffer.output.payload),
            self.r_rdy.eq(buffer.output.valid),
            buffer.output.ready.eq(self.r_en),
        ]
        with m.If(buffer.input.valid & buffer.input.ready):
            m.d.read += [taken.eq(taken + 1), taken_gray.eq(_gray((taken + 1)[:bits]))]
        with m.If(reset):
            m.d.read += [taken.eq(_binary(written_seen)), taken_gray.eq(written_seen)]
        return m
