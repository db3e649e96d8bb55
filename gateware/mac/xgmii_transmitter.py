"""XGMII words from frames."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from ..crc32 import CRC_OCTETS
from ..delay import DelayLine
from ..packet import PacketSignature
from ..phy.xgmii import COLUMN_LANES, IDLE_LANES, LANES, Control, XgmiiSignature
from .deficit import DeficitIdleCount
from .frame import MIN_FRAME, PREAMBLE, PREAMBLE_OCTETS, SFD
from .wide_crc import FcsRewinder, WideCrc

__all__ = ["XgmiiTransmitter"]

_WIDTH = 8 * LANES
_START = Cat(Const(Control.START, 8), *[Const(PREAMBLE, 8)] * (PREAMBLE_OCTETS - 1), Const(SFD, 8))
_SPOILT_FCS = Cat(*[Const(Control.ERROR, 8)] * CRC_OCTETS)
_FCS_CLOCKS = WideCrc.LATENCY + FcsRewinder.LATENCY
_WHOLE, _REST = divmod(MIN_FRAME - CRC_OCTETS, LANES)
"""A frame without FCS has this many words before the one in which it may end, and this many octets there, at least."""


class _Slot(data.Struct):
    """What kind of word is sent, as if every packet began in lane 0."""

    start: 1
    """Preamble and SFD."""
    ends: 1
    """``count`` octets of the frame, its last ones, then its FCS."""
    tail: 1
    """The rest of that FCS."""
    idle: 1
    count: range(LANES + 1)
    """In the words ``ends`` and ``tail``."""
    spoilt: 1
    """Valid with ``ends`` and ``tail``."""
    late: 1
    """The packet begins in lane 4; without a packet, the next one does."""


class _Source(enum.Enum, shape=2):
    """Where a lane's octet comes from."""

    FRAME = 0
    FCS = 1
    TERMINATE = 2
    IDLE = 3


class XgmiiTransmitter(wiring.Component):
    """Sends frames with preamble, padding to 64 octets, FCS, and a gap of 12 octets on average behind.

    A frame whose last word has ``error`` is spoilt: it has four /E/ where its FCS would be. So is one whose next word
    is not there in time, without padding then, which also strobes ``underrun`` (one clock); what comes of it afterwards
    is swallowed. Frames that are there in time follow each other with gaps as :class:`DeficitIdleCount` makes them.

    A frame's first word is taken one clock after it is offered, if there is nothing before it. It is out 10 clocks
    later, from registers, or half of it is and the rest one clock after that.
    """

    input: In(PacketSignature(_WIDTH))
    xgmii: Out(XgmiiSignature())
    underrun: Out(1)

    def elaborate(self, platform):
        m = Module()
        slot = Signal(_Slot, init={"idle": 1})
        octets = Signal(_WIDTH)
        self._choose(m, slot, octets)
        whole, late = self._append_fcs(m, slot, octets)
        self._place(m, whole, late)
        return m

    def _choose(self, m: Module, slot: data.View, octets: Value) -> None:
        """Words without FCS, as if every packet began in lane 0."""
        frame, word = self.input, self.input.payload
        m.submodules.gap = gap = DeficitIdleCount()
        index = Signal(range(_WHOLE + 2))
        """Words of the frame before this one, as far as padding wants to know."""
        least = index == _WHOLE  # with this word it is long enough
        taking = Signal()
        missing = Signal()
        swallow = Signal()
        nothing = Signal()
        begins = Signal()
        ends = Signal()
        count = Signal(range(LANES + 1))
        tail = Signal()
        late = Signal()
        keeps, kept = Signal(LANES), Signal(LANES)
        stored = Signal(_WIDTH)
        m.d.comb += [
            octets.eq(Cat(stored.word_select(n, 8) & kept[n].replicate(8) for n in range(LANES))),
            frame.ready.eq(taking | swallow),
            missing.eq(taking & ~frame.valid),
            gap.ends.eq(ends),
            gap.count.eq(count),
            gap.idles.eq(nothing & gap.ready & ~begins),
        ]
        m.d.sync += [
            self.underrun.eq(missing),
            swallow.eq(missing | (swallow & ~(frame.valid & word.last))),
            tail.eq(ends & (count >= CRC_OCTETS)),
            slot.start.eq(begins),
            slot.ends.eq(ends),
            slot.tail.eq(tail),
            slot.idle.eq(nothing & ~begins & ~tail),
            # What is between two packets is put where the second one is.
            slot.late.eq(Mux(nothing & ~tail, gap.late, late)),
            stored.eq(word.data),
            kept.eq(keeps),
        ]
        with m.If(ends):
            m.d.sync += slot.count.eq(count)
        with m.If(begins):
            m.d.sync += [index.eq(0), late.eq(gap.late)]
        with m.Elif(index <= _WHOLE):
            m.d.sync += index.eq(index + 1)

        with m.FSM():
            with m.State("NOTHING"):
                m.d.comb += [nothing.eq(1), begins.eq(gap.ready & frame.valid & ~swallow)]
                with m.If(begins):
                    m.next = "FRAME"
            with m.State("FRAME"):
                m.d.comb += [
                    taking.eq(1),
                    keeps.eq(Cat(frame.valid & (lane < word.count) for lane in range(LANES))),
                    ends.eq(missing | (word.last & (index >= _WHOLE))),
                ]
                m.d.sync += slot.spoilt.eq(missing | word.error)
                with m.If(frame.valid):
                    m.d.comb += count.eq(Mux(least & (word.count < _REST), _REST, word.count))
                with m.If(ends):
                    m.next = "NOTHING"
                with m.Elif(word.last):
                    m.next = "PADDING"
            with m.State("PADDING"):
                m.d.comb += [count.eq(_REST), ends.eq(least)]
                with m.If(ends):
                    m.next = "NOTHING"

    def _append_fcs(self, m: Module, slot: data.View, octets: Value) -> tuple[data.View, Value]:
        """Words with preamble, FCS and /T/, and whether they are half a word late."""
        m.submodules.crc = crc = WideCrc()
        m.submodules.rewinder = rewinder = FcsRewinder()
        m.submodules.octets = delayed = DelayLine(_WIDTH, _FCS_CLOCKS)
        slots = [slot]
        for age in range(1, _FCS_CLOCKS + 1):
            slots.append(Signal(_Slot, name=f"slot{age}", init={"idle": 1}))
            m.d.sync += slots[age].eq(slots[age - 1])
        m.d.comb += [
            crc.data.eq(octets),
            crc.begin.eq(slot.start),
            rewinder.register.eq(crc.register),
            rewinder.octets.eq(LANES - slots[WideCrc.LATENCY].count),
            delayed.input.eq(octets),
        ]

        slot = slots[-1]
        fcs = Signal(data.ArrayLayout(8, CRC_OCTETS))
        """Turned to where it goes: lanes that are its length apart have the same octet."""
        with m.If(slot.ends):
            m.d.sync += fcs.eq(Array((~rewinder.result).rotate_left(8 * n) for n in range(4))[slot.count[:2]])
            with m.If(slot.spoilt):
                m.d.sync += fcs.eq(_SPOILT_FCS)
        body = Signal(data.ArrayLayout(8, LANES))
        m.d.sync += body.eq(delayed.output)
        with m.If(slot.start):
            m.d.sync += body.eq(_START)
        spoilt, start, late = Signal(), Signal(), Signal()
        m.d.sync += [spoilt.eq(slot.spoilt), start.eq(slot.start), late.eq(slot.late)]

        whole = XgmiiSignature().create()
        whole_late = Signal()
        m.d.sync += whole_late.eq(late)
        for lane in range(LANES):
            source = Signal(_Source, name=f"source{lane}", init=_Source.IDLE)
            with m.If(slot.ends):
                m.d.sync += source.eq(self._source(lane, slot.count))
            with m.Elif(slot.tail):
                m.d.sync += source.eq(self._source(LANES + lane, slot.count))
            with m.Else():
                m.d.sync += source.eq(Mux(slot.idle, _Source.IDLE, _Source.FRAME))
            with m.Switch(source):
                for kind, octet, control in (
                    (_Source.FRAME, body[lane], start if lane == 0 else 0),
                    (_Source.FCS, fcs[lane % CRC_OCTETS], spoilt),
                    (_Source.TERMINATE, Control.TERMINATE, 1),
                    (_Source.IDLE, Control.IDLE, 1),
                ):
                    with m.Case(kind):
                        m.d.sync += [whole.data[lane].eq(octet), whole.control[lane].eq(control)]
        return whole, whole_late

    @staticmethod
    def _source(position: int, count: Value) -> Value:
        """Of the octet at ``position`` from the beginning of the word that has the frame's last ``count`` octets."""
        sources = [_Source.FRAME, *[_Source.FCS] * CRC_OCTETS, _Source.TERMINATE, _Source.IDLE]
        return Array(
            sources[min(max(position - octets + 1, 0), len(sources) - 1)].value for octets in range(LANES + 1)
        )[count]

    def _place(self, m: Module, whole: data.View, late: Value) -> None:
        """Packets that are late moved by half a word."""
        half = COLUMN_LANES
        rest = XgmiiSignature().create()
        rest_late = Signal()
        m.d.sync += rest_late.eq(late)
        for name, bits, idle in (
            ("data", 8 * half, Cat(Const(octet, 8) for octet in IDLE_LANES[:half])),
            ("control", half, Const((1 << half) - 1, half)),
        ):
            word = Value.cast(getattr(whole, name))
            kept = Value.cast(getattr(rest, name))[:bits]
            low = Mux(rest_late, kept, Mux(late, idle, word[:bits]))
            m.d.sync += [
                kept.eq(word[bits:]),
                Value.cast(getattr(self.xgmii, name)).eq(Cat(low, Mux(late, word[:bits], word[bits:]))),
            ]
