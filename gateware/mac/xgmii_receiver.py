"""Frames from XGMII words."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..crc32 import CRC_OCTETS
from ..delay import DelayLine
from ..packet import PacketSignature, Word
from ..phy.xgmii import COLUMN_LANES, LANES, Control, XgmiiSignature
from .frame import MAX_FRAME, MIN_FRAME, PREAMBLE, PREAMBLE_OCTETS, SFD, check_max_frame
from .wide_crc import INTACT, WideCrc, after_zeros

__all__ = ["XgmiiReceiver"]

_WIDTH = 8 * LANES


class _Lanes(data.Struct):
    data: _WIDTH
    control: LANES
    terminate: LANES


class _Aligned(data.Struct):
    """A word of a packet, which began in lane 0."""

    data: _WIDTH
    """Nothing but zeros from the first control character on."""
    count: 3
    """Octets before that character."""
    ends: 1
    """There is one."""
    well: 1
    """It is /T/, and not too early in the frame."""
    first: 1
    """It has a packet's /S/."""
    preamble: 1
    """The octets behind that are what they must be."""


class XgmiiReceiver(wiring.Component):
    """Takes preamble and FCS away; a bad frame has ``error`` on its last word.

    Bad is a frame with a wrong FCS, one that another control character than /T/ ends (/E/, which the PHY puts where it
    could not decode, or anything else), one shorter than 64 octets (runt) or longer than ``max_frame`` (giant, cut
    there), FCS included in both. Padding stays. The receiver begins with the first packet that it sees from its /S/.

    - /S/ counts in lanes 0 and 4. It must have six octets of preamble and the SFD behind it (IEEE 802.3, 46.2.2): else
      the packet is discarded without a trace.
    - Fewer than five octets behind the SFD leave no trace either.
    - The next packet may begin five octets behind the end of the last one, /T/ included (46.2.1), and in most places
      earlier. One that begins in the same word spoils the one before, and is received.
    - A word without control characters behind the one that had /T/, which no PCS makes, spoils the frame.

    A word is out 9 clocks after its first octet came in. ``output`` is registered.
    """

    def __init__(self, max_frame: int = MAX_FRAME):
        check_max_frame(max_frame)
        self.max_frame = max_frame
        super().__init__(
            {"xgmii": In(XgmiiSignature()), "output": Out(PacketSignature(_WIDTH, always_ready=True))}
        )

    def elaborate(self, platform):
        m = Module()
        lanes, first = self._align(m)
        word = self._find_end(m, lanes, first)
        self._strip(m, word)
        return m

    def _align(self, m: Module) -> tuple[data.View, Value]:
        """Words that begin where their packet does; and whether this is the one with /S/."""
        xgmii = self.xgmii

        def where(character: Control, lane: int) -> Value:
            return xgmii.control[lane] & (xgmii.data[lane] == character)

        arrived, before, aligned = (Signal(_Lanes, name=name) for name in ("arrived", "before", "aligned"))
        starts = Signal(2)
        late = Signal()
        began, first = Signal(), Signal()
        m.d.sync += [
            arrived.data.eq(xgmii.data.as_value()),
            arrived.control.eq(xgmii.control),
            arrived.terminate.eq(Cat(where(Control.TERMINATE, lane) for lane in range(LANES))),
            starts.eq(Cat(where(Control.START, lane) for lane in (0, COLUMN_LANES))),
            before.eq(arrived),
            began.eq(starts.any()),
            first.eq(began),
        ]
        with m.If(starts.any()):
            m.d.sync += late.eq(starts[1])
        for name, lane_bits in (("data", 8), ("control", 1), ("terminate", 1)):
            half = COLUMN_LANES * lane_bits
            old, new = getattr(before, name), getattr(arrived, name)
            m.d.sync += getattr(aligned, name).eq(Mux(late, Cat(old[half:], new[:half]), old))
        return aligned, first

    def _find_end(self, m: Module, lanes: data.View, first: Value) -> data.View:
        """What is a frame's, and where it ends; in any case behind the longest one."""
        # One bit more than is counted, which the word with the first octet too many finds set.
        whole, rest = divmod(self.max_frame, LANES)
        bits = whole.bit_length()
        start = (1 << bits) - whole
        count = Signal(bits + 1)
        least = MIN_FRAME // LANES
        low = (least - 1).bit_length()
        long = Signal()
        with m.If(first):
            m.d.sync += [count.eq(start), long.eq(0)]
        with m.Else():
            m.d.sync += count.eq(count + 1)
            # The low bits come to this value first with the last word of a minimum frame.
            with m.If(count[:low] == (start - 1) % least):
                m.d.sync += long.eq(1)

        word = Signal(_Aligned)
        control = lanes.control | (count[-1] << rest)[:LANES]
        stop = Signal(LANES)  # from the first control character on
        m.d.comb += stop.eq(Cat(control[: lane + 1].any() for lane in range(LANES)))
        at = stop & ~(stop << 1)[:LANES]
        octets = data.View(data.ArrayLayout(8, LANES), lanes.data)
        m.d.sync += [
            word.data.eq(Cat(octets[lane] & ~stop[lane].replicate(8) for lane in range(LANES))),
            word.count.eq(
                Cat(Cat(at[lane] for lane in range(LANES) if lane >> bit & 1).any() for bit in range(3))
            ),
            word.ends.eq(stop[-1]),
            word.well.eq((lanes.terminate & at).any() & long),
            word.first.eq(first),
            word.preamble.eq(
                (octets.as_value()[8:] == Cat(*[Const(PREAMBLE, 8)] * (PREAMBLE_OCTETS - 1), Const(SFD, 8)))
                & ~lanes.control[1:].any()
            ),
        ]
        return word

    def _strip(self, m: Module, word: data.View) -> None:
        """Without the FCS, so that a frame's last octets may be in the word before its last one."""
        output = self.output.payload
        inside = Signal()
        ends = inside & word.ends
        short = ends & (word.count <= CRC_OCTETS)  # nothing of the word is left
        with m.If(word.first):
            m.d.sync += inside.eq(word.preamble)
        with m.Elif(word.ends):
            m.d.sync += inside.eq(0)

        held = Signal(_WIDTH)
        full, tail, tail_count = Signal(), Signal(), Signal(3)
        out = Signal(data.StructLayout({"valid": 1, "word": Word(_WIDTH)}))
        m.d.sync += [
            held.eq(word.data),
            full.eq(inside & ~word.ends),
            tail.eq(ends & ~short),
            tail_count.eq(word.count),
            out.valid.eq(full | tail),
            out.word.data.eq(held),
            out.word.last.eq(tail | short),
            out.word.count.eq(
                Mux(tail, tail_count - CRC_OCTETS, Mux(short, word.count + CRC_OCTETS, LANES))[:4]
            ),
        ]

        m.submodules.crc = crc = WideCrc()
        # A frame that leaves the last word empty must not be out before its CRC.
        m.submodules.words = words = DelayLine(out.shape(), WideCrc.LATENCY - 1)
        verdict = Signal(data.StructLayout({"ends": 1, "well": 1, "count": 3}))
        m.submodules.verdicts = verdicts = DelayLine(verdict.shape(), WideCrc.LATENCY)
        intact = Array(after_zeros(INTACT, LANES - count) for count in range(LANES))
        m.d.comb += [
            crc.data.eq(word.data),
            crc.begin.eq(word.first),
            words.input.eq(out),
            verdict.ends.eq(ends),
            verdict.well.eq(word.well),
            verdict.count.eq(word.count),
            verdicts.input.eq(verdict),
        ]
        m.d.sync += [
            self.output.valid.eq(words.output.valid),
            output.data.eq(words.output.word.data),
            output.count.eq(words.output.word.count),
            output.last.eq(words.output.word.last),
        ]
        with m.If(verdicts.output.ends):
            m.d.sync += output.error.eq(
                ~verdicts.output.well | (crc.register != intact[verdicts.output.count])
            )
