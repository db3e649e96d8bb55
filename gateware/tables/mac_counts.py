"""How many addresses each tenant has learned."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..params import Params
from .memory import BLOCK_RAM_LATENCY, BlockRAM

__all__ = ["LearnedCounts"]


class LearnedCounts(wiring.Component):
    """A count for each tenant, of which that of ``tenant`` is at hand.

    ``more``, ``less``  strobes: ``tenant``, which came ``LATENCY`` clocks before or earlier and stays for two, has one
                 entry more, or one less.
    ``limit``    of entries.
    ``reached``  ``tenant`` has so many; ``LATENCY`` clocks behind it, and ``LATENCY + 2`` behind ``more`` and ``less``.
    ``clear``    while it is high counts become 0, one in each clock.
    ``cleared``  all of them have since.
    """

    LATENCY = BLOCK_RAM_LATENCY + 1

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "tenant": In(params.tenant_bits),
                "more": In(1),
                "less": In(1),
                "limit": In(16),
                "reached": Out(1),
                "clear": In(1),
                "cleared": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        count = Signal(ceil_log2(self.params.macs) + 1)
        m.submodules.ram = ram = BlockRAM(count.shape(), self.params.tenants)
        sweep = Signal(self.params.tenant_bits)
        with m.If(self.clear):
            m.d.sync += sweep.eq(sweep + 1)
            with m.If(sweep.all()):
                m.d.sync += self.cleared.eq(1)
        with m.Else():
            m.d.sync += [sweep.eq(0), self.cleared.eq(0)]
        m.d.comb += [ram.r_addr.eq(self.tenant), count.eq(ram.r_data)]
        changes = Signal()
        grows = Signal()
        m.d.sync += [
            self.reached.eq(count >= self.limit),
            changes.eq(self.more | self.less),
            grows.eq(self.more),
            ram.w_en.eq(self.clear | changes),
            ram.w_addr.eq(Mux(self.clear, sweep, self.tenant)),
            ram.w_data.eq(Mux(self.clear, 0, count + Mux(grows, 1, -1))),
        ]
        return m
