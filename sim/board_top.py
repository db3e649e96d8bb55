"""The complete TEP with its streams spread into plain pins, as the C++ side wants them."""

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2
from opentep.gateware.params import Params
from opentep.gateware.phy.gmii import Speed
from opentep.gateware.phy.link import LinkState
from opentep.gateware.phy.router import PhyRouter
from opentep.gateware.storm.limit import EXPONENT_BITS

__all__ = ["BoardTop"]


class BoardTop(wiring.Component):
    """Pins to ports: inputs reach the design one clock after the pins, outputs at once.

    ``design`` has the ports of the complete TEP (docs/architecture.md). Its streams appear as pins named
    after port and field (``rx0_data``, ``tx1_ready``, …), so that the C++ side need not know how Amaranth
    spells the members of interfaces in Verilog.

    Links are up, 1 Gb/s, full duplex; there are no PHYs to be read or written.

    Two things only make the simulator faster, by half together: the inputs are registered, since Verilator
    evaluates all logic behind an input twice per clock; and there is no reset (its effect equals the initial
    state), as all logic is behind it.
    """

    def __init__(self, params: Params, design: Elaboratable):
        self.params = params
        self.design = design
        count = ceil_log2(params.word_bytes + 1)
        pins: dict[str, wiring.Member] = {}
        for port in range(params.ports):
            pins |= {
                f"rx{port}_valid": In(1),
                f"rx{port}_data": In(params.width),
                f"rx{port}_count": In(count),
                f"rx{port}_last": In(1),
                f"rx{port}_error": In(1),
                f"tx{port}_valid": Out(1),
                f"tx{port}_ready": In(1),
                f"tx{port}_data": Out(params.width),
                f"tx{port}_count": Out(count),
                f"tx{port}_last": Out(1),
                f"tx{port}_error": Out(1),
            }
        super().__init__(
            {
                "clk": In(1),
                **pins,
                "link_rx_valid": In(1),
                "link_rx_ready": Out(1),
                "link_rx_data": In(8),
                "link_tx_valid": Out(1),
                "link_tx_ready": In(1),
                "link_tx_data": Out(8),
                "second": In(1),
                "storm_tick": In(1),
                "storm_exponent": In(EXPONENT_BITS),
                "storm_pending": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = domain = ClockDomain()
        m.d.comb += [domain.clk.eq(self.clk), domain.rst.eq(0)]
        m.submodules.design = design = self.design

        def registered(pin):
            value = Signal.like(pin)
            m.d.sync += value.eq(pin)
            return value

        for port in range(self.params.ports):
            rx, tx = design.rx[port], design.tx[port]
            m.d.comb += [
                rx.valid.eq(registered(getattr(self, f"rx{port}_valid"))),
                getattr(self, f"tx{port}_valid").eq(tx.valid),
                tx.ready.eq(registered(getattr(self, f"tx{port}_ready"))),
            ]
            for name in ("data", "count", "last", "error"):
                m.d.comb += [
                    rx.payload[name].eq(registered(getattr(self, f"rx{port}_{name}"))),
                    getattr(self, f"tx{port}_{name}").eq(tx.payload[name]),
                ]
        m.submodules.phys = phys = PhyRouter(())
        wiring.connect(m, design.phys, phys.host)
        up = LinkState.const({"up": 1, "speed": Speed.MBIT_1000, "full_duplex": 1})
        m.d.comb += [link.eq(up) for link in design.links]
        m.d.comb += [
            design.link_rx.valid.eq(registered(self.link_rx_valid)),
            design.link_rx.payload.eq(registered(self.link_rx_data)),
            self.link_rx_ready.eq(design.link_rx.ready),
            self.link_tx_valid.eq(design.link_tx.valid),
            self.link_tx_data.eq(design.link_tx.payload),
            design.link_tx.ready.eq(registered(self.link_tx_ready)),
            design.second.eq(registered(self.second)),
            design.storm.tick.eq(registered(self.storm_tick)),
            design.storm.exponent.eq(registered(self.storm_exponent)),
            self.storm_pending.eq(design.storm.pending),
            self.busy.eq(design.busy),
        ]
        return m
