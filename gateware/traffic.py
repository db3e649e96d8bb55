"""Frames and octets exchanged with each of many parties: remote TEPs, or tenants."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from .counters import COUNTER_BITS
from .events import TRAFFIC_COUNTERS
from .tables.access import TableAccess
from .tables.bus import TableBus
from .tables.memory import BLOCK_RAM_LATENCY, BlockRAM

__all__ = ["Traffic", "TrafficCounters", "is_counted"]

_LOW_BITS = 32
"""The addition is cut in two here."""


class Traffic(data.StructLayout):
    """A frame of ``octets`` (without FCS and wire padding) from or to party ``index`` of ``parties``."""

    def __init__(self, parties: int):
        self.parties = parties
        super().__init__({"index": ceil_log2(parties), "octets": 15})


def is_counted(index: Value, parties: int) -> Value:
    """Whether ``index`` is one of the first ``parties``, which have counters."""
    return index[ceil_log2(parties) :] == 0


class TrafficCounters(wiring.Component):
    """Four 64-bit counters per party in one block RAM: :data:`.events.TRAFFIC_COUNTERS`, in this order.

    A frame takes two clocks, in which its counters are read, for frames and for octets; what they become is written
    a clock before :attr:`_LOOP` clocks have passed. A frame that counts for the same party and direction as the one
    before waits as long, so that it meets what that one has written; the next one of this kind may join it meanwhile.
    So frames of one party, or ever of another one, pass at one per two clocks, and in no order at less than one per
    three. Nothing is lost: what has not been counted waits at the inputs, ``sent`` behind ``received``.

    Parameters
    ----------
    parties
        How many are counted, a power of two.

    Members
    -------
    received, sent : In(stream of Traffic(parties))
        Frames from and to parties. ``ready`` depends on what is on offer.
    bus : In(TableBus)
        Counter ``index * 4 + n``; a read gives one consistent value, 4 to 9 clocks after the strobe, and holds up
        frames meanwhile. Writes change nothing. All are zero after reset, which takes ``4 * parties`` clocks, in which
        frames wait.
    busy : Out(1)
        Some frame is not in RAM yet, or the counters are being cleared.
    """

    _LOOP = BLOCK_RAM_LATENCY + 2
    """Clocks from a read to the first one that sees what has become of it."""

    def __init__(self, parties: int):
        if parties < 2 or parties & (parties - 1):
            raise ValueError(f"parties must be a power of two from 2 on, not {parties}")
        self.parties = parties
        self.depth = parties * len(TRAFFIC_COUNTERS)
        super().__init__(
            {
                "received": In(stream.Signature(Traffic(parties))),
                "sent": In(stream.Signature(Traffic(parties))),
                "bus": In(TableBus(unsigned(COUNTER_BITS), self.depth)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = BlockRAM(unsigned(COUNTER_BITS), self.depth)
        m.submodules.access = access = TableAccess(unsigned(COUNTER_BITS), self.depth, clear_depth=self.depth)
        connect(m, flipped(self.bus), access.bus)

        # The next frame, which waits for what is being counted.
        offer = Signal(Traffic(self.parties))
        offered, offers_sent, taken = Signal(), Signal(), Signal()
        m.d.comb += [
            self.received.ready.eq(~offered),
            self.sent.ready.eq(~offered & ~self.received.valid),
        ]
        with m.If(taken):
            m.d.sync += offered.eq(0)
        with m.If(~offered):
            m.d.sync += [
                offered.eq(self.received.valid | self.sent.valid),
                offers_sent.eq(~self.received.valid),
                offer.eq(
                    Mux(self.received.valid, self.received.payload.as_value(), self.sent.payload.as_value())
                ),
            ]

        # What is being counted: first the frame, or two, then, in the ``second`` clock, its octets.
        valid, second, goes, waits = Signal(), Signal(), Signal(), Signal()
        index, is_sent = Signal.like(offer.index), Signal()
        octets = Signal(len(offer.octets) + 1)
        two = Signal()
        similar = Signal()  # the offer, to what is counted: of the same party and direction
        same = Signal()  # what is counted, to what was counted before
        free, joins = Signal(), Signal()
        m.d.comb += [
            similar.eq(Cat(offer.index, offers_sent) == Cat(index, is_sent)),
            free.eq(~valid | second),
            joins.eq(valid & ~second & waits & similar & ~two),
            taken.eq(free | joins),
        ]
        with m.If(free):
            m.d.sync += [valid.eq(offered), two.eq(0)]
            with m.If(offered):
                m.d.sync += [
                    index.eq(offer.index),
                    is_sent.eq(offers_sent),
                    octets.eq(offer.octets),
                    same.eq(similar),
                ]
        with m.Elif(joins & offered):
            m.d.sync += [two.eq(1), octets.eq(octets + offer.octets)]

        # ``under_way[n]``: a counter was read n + 1 clocks ago. The host reads when none is, so that no new frame may
        # begin meanwhile.
        reads = Signal()
        under_way = Signal(self._LOOP - 1)
        frames_went = Signal(self._LOOP - 1)
        m.d.comb += [
            waits.eq(same & frames_went.any()),
            goes.eq(valid & ~second & ~waits & ~access.read & access.ready),
            reads.eq(goes | second),
            access.grant.eq(access.write | ~(second | under_way.any())),
            access.data.eq(ram.r_data),
        ]
        m.d.sync += [
            second.eq(goes),
            under_way.eq(Cat(reads, under_way)),
            frames_went.eq(Cat(goes, frames_went)),
        ]
        row = Cat(second, is_sent, index)
        m.d.comb += ram.r_addr.eq(Mux(access.read & ~second, self.bus.index, row))

        # What was read, and what is added to it, meet behind the RAM; the upper half is added on the way back.
        rows, amounts = [row], [Mux(second, octets, Mux(two, 2, 1))]
        for clock in range(self._LOOP - 1):
            rows.append(Signal(len(row), name=f"row_{clock}"))
            m.d.sync += rows[-1].eq(rows[-2])
        for clock in range(BLOCK_RAM_LATENCY):
            amounts.append(Signal(len(octets), name=f"amount_{clock}"))
            m.d.sync += amounts[-1].eq(amounts[-2])
        low = Signal(_LOW_BITS + 1)
        high = Signal(COUNTER_BITS - _LOW_BITS)
        m.d.sync += [low.eq(ram.r_data[:_LOW_BITS] + amounts[-1]), high.eq(ram.r_data[_LOW_BITS:])]
        with m.If(access.clearing):
            m.d.sync += [low.eq(0), high.eq(0)]
        m.d.comb += [
            ram.w_en.eq(access.clearing | under_way[-1]),
            ram.w_addr.eq(Mux(access.clearing, access.clear_index, rows[-1])),
            ram.w_data.eq(Cat(low[:_LOW_BITS], high + low[_LOW_BITS])),
            self.busy.eq(
                self.received.valid | self.sent.valid | offered | valid | under_way.any() | ~access.ready
            ),
        ]
        return m
