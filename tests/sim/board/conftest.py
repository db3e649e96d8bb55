"""A design with the ports of a TEP for tests of the virtual board itself."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out
from opentep.gateware.packet import PacketSignature, Word
from opentep.gateware.params import Params
from opentep.gateware.phy.link import LinkState
from opentep.gateware.phy.startup import PhyClient
from opentep.gateware.storm.limit import StormTicks


class CrossConnect(wiring.Component):
    """Forwards frames between ports 0 and 1, 2 and 3, …, and echoes host-link octets incremented by one.

    After each ``second`` strobe it sends the octet 0xA5 on the host link.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "rx": In(PacketSignature(params.width, always_ready=True)).array(params.ports),
                "tx": Out(PacketSignature(params.width)).array(params.ports),
                "link_rx": In(stream.Signature(8)),
                "link_tx": Out(stream.Signature(8)),
                "second": In(1),
                "storm": In(StormTicks()),
                "links": In(LinkState).array(params.ports),
                "phys": Out(PhyClient()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = Word(self.params.width)
        levels = []
        for port in range(self.params.ports):
            rx, tx = self.rx[port], self.tx[port ^ 1]
            m.submodules[f"fifo{port}"] = queue = fifo.SyncFIFOBuffered(width=word.size, depth=1024)
            levels.append(queue.level)
            m.d.comb += [
                queue.w_data.eq(rx.payload),
                queue.w_en.eq(rx.valid),
                tx.payload.eq(data.View(word, queue.r_data)),
                tx.valid.eq(queue.r_rdy),
                queue.r_en.eq(tx.ready),
            ]
        second = Signal()
        with m.If(self.second):
            m.d.sync += second.eq(1)
        with m.If(second):
            m.d.comb += [self.link_tx.payload.eq(0xA5), self.link_tx.valid.eq(1)]
            with m.If(self.link_tx.ready):
                m.d.sync += second.eq(0)
        with m.Else():
            m.d.comb += [
                self.link_tx.payload.eq(self.link_rx.payload + 1),
                self.link_tx.valid.eq(self.link_rx.valid),
                self.link_rx.ready.eq(self.link_tx.ready),
            ]
        m.d.comb += self.busy.eq(second | sum(level != 0 for level in levels).any())
        return m


@pytest.fixture(scope="session")
def cross_connect() -> type[CrossConnect]:
    return CrossConnect


class TickCounter(CrossConnect):
    """After each ``second`` strobe it sends the number of ticks of storm control before it, four octets, the highest
    first. Storm control has something to do while the last octet from the host link is not 0."""

    BUSY_CLOCKS = 50

    def elaborate(self, platform):
        m = Module()
        ticks, sent = Signal(32), Signal(32)
        left = Signal(range(5))
        working = Signal(range(self.BUSY_CLOCKS + 1))
        with m.If(working != 0):
            m.d.sync += working.eq(working - 1)
        with m.If(self.storm.tick & self.storm.pending):
            m.d.sync += [ticks.eq(ticks + (1 << self.storm.exponent)), working.eq(self.BUSY_CLOCKS)]
        with m.If(self.second):
            m.d.sync += [sent.eq(ticks), left.eq(4)]
        with m.Elif(self.link_tx.valid & self.link_tx.ready):
            m.d.sync += [sent.eq(sent << 8), left.eq(left - 1)]
        with m.If(self.link_rx.valid):
            m.d.sync += self.storm.pending.eq(self.link_rx.payload != 0)
        m.d.comb += [
            self.link_rx.ready.eq(1),
            self.link_tx.valid.eq(left != 0),
            self.link_tx.payload.eq(sent[24:]),
            self.busy.eq((left != 0) | (working != 0)),
        ]
        return m


@pytest.fixture(scope="session")
def tick_counter() -> type[TickCounter]:
    return TickCounter
