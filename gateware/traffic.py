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
    :attr:`_LOOP` clocks after each was read. A frame that counts for the same party and direction as the one before
    waits as long, so that it meets what that one has written. Hence nothing is lost: what has not been counted waits
    at the inputs, frames that were received first. One frame per two clocks passes, of one party and direction one per
    four; so that a core's own rate is met, since a frame is not received and sent by tunnel, unless it is replicated.

    Parameters
    ----------
    parties
        How many are counted, a power of two.

    Members
    -------
    received, sent : In(stream of Traffic(parties))
        Frames from and to parties. ``ready`` comes from flip-flops but for ``sent``'s wait for ``received``.
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

        # The frame that is being counted: first its frames, then, in the ``second`` clock, its octets.
        valid, second, goes, free = Signal(), Signal(), Signal(), Signal()
        traffic = Signal(Traffic(self.parties))
        is_sent = Signal()
        same = Signal()  # party and direction as those of the frame before
        chosen = Mux(self.received.valid, self.received.payload.as_value(), self.sent.payload.as_value())
        chosen = data.View(Traffic(self.parties), chosen)
        m.d.comb += [
            free.eq(~valid | second),
            self.received.ready.eq(free),
            self.sent.ready.eq(free & ~self.received.valid),
        ]
        with m.If(free):
            m.d.sync += valid.eq(self.received.valid | self.sent.valid)
        with m.If(free & (self.received.valid | self.sent.valid)):
            m.d.sync += [
                traffic.eq(chosen),
                is_sent.eq(~self.received.valid),
                same.eq(Cat(chosen.index, ~self.received.valid) == Cat(traffic.index, is_sent)),
            ]

        # ``under_way[n]``: a counter was read n + 1 clocks ago. The host reads when none is, so that no new frame may
        # begin meanwhile.
        reads = Signal()
        under_way = Signal(self._LOOP - 1)
        frames_went = Signal(self._LOOP - 1)
        waits = same & frames_went.any()
        m.d.comb += [
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
        row = Cat(second, is_sent, traffic.index)
        m.d.comb += ram.r_addr.eq(Mux(access.read & ~second, self.bus.index, row))

        # What was read, and what is added to it, meet behind the RAM; the upper half is added on the way back.
        rows, amounts = [row], [Mux(second, traffic.octets, 1)]
        for clock in range(self._LOOP - 1):
            rows.append(Signal(len(row), name=f"row_{clock}"))
            m.d.sync += rows[-1].eq(rows[-2])
        for clock in range(BLOCK_RAM_LATENCY):
            amounts.append(Signal(len(traffic.octets), name=f"amount_{clock}"))
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
            self.busy.eq(self.received.valid | self.sent.valid | valid | under_way.any() | ~access.ready),
        ]
        return m
