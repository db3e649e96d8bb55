# amaranth: UnusedElaboratable=no
"""RGMII at its pins."""

from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, IOPort, Module
from amaranth.hdl._ir import PortDirection
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out
from opentep.gateware.phy.gmii import GmiiReceive, GmiiTransmit, Speed
from opentep.gateware.phy.link import LinkState
from opentep.gateware.phy.rgmii import RgmiiReceive, RgmiiTransmit
from opentep.gateware.phy.rgmii_pads import RgmiiPads, RgmiiPins
from opentep.gateware.target import Ecp5Target
from opentep.sim.cocotb_run import run_cocotb_on, verilog_of
from opentep.sim.ecp5 import MODELS

MODULE = Path(__file__).with_name("rgmii.py")
_WIDTHS = {"rx_clk": 1, "rx_ctl": 1, "rx_data": 4, "tx_clk": 1, "tx_ctl": 1, "tx_data": 4}


class _Bench(wiring.Component):
    """Pads, clock domains and both directions, as a board would have them, with all sides as pins."""

    def __init__(self, **options):
        self.ports = {name: IOPort(width, name=f"rgmii_{name}") for name, width in _WIDTHS.items()}
        self.options = options
        super().__init__(
            {
                "clk125": In(1),
                "clk125_late": In(1),
                "rx_speed": In(Speed),
                "tx_speed": In(Speed),
                "rx": Out(GmiiReceive()),
                "status": Out(LinkState),
                "tx": In(GmiiTransmit()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        pins = {
            name: io.SingleEndedPort(port, direction="i" if name.startswith("rx") else "o")
            for name, port in self.ports.items()
        }
        m.submodules.pads = pads = RgmiiPads(
            RgmiiPins(**pins), rx_domain="rx", tx_domain="tx", **self.options
        )
        for domain, clock in (("rx", pads.rx_clk), ("tx", self.clk125), ("late", self.clk125_late)):
            m.domains += ClockDomain(domain, reset_less=True)
            m.d.comb += ClockSignal(domain).eq(clock)
        m.submodules.receive = receive = DomainRenamer("rx")(RgmiiReceive())
        m.submodules.transmit = transmit = DomainRenamer("tx")(RgmiiTransmit())
        wiring.connect(m, pads.rx, receive.pads)
        wiring.connect(m, transmit.pads, pads.tx)
        wiring.connect(m, receive.rx, wiring.flipped(self.rx))
        wiring.connect(m, wiring.flipped(self.tx), transmit.tx)
        m.d.comb += [
            receive.speed.eq(self.rx_speed),
            transmit.speed.eq(self.tx_speed),
            self.status.eq(receive.status),
        ]
        return m


def _verilog(**options) -> str:
    """Verilog of the module ``rgmii``; the options are those of :class:`RgmiiPads`."""
    bench = _Bench(**options)
    ports = {port.name: (port, None) for port in bench.ports.values()}
    for path, member, value in bench.signature.flatten(bench):
        direction = PortDirection.Input if member.flow == In else PortDirection.Output
        ports["__".join(map(str, path))] = (
            value.as_value() if hasattr(value, "as_value") else value,
            direction,
        )
    return verilog_of(rtlil.convert(bench, name="rgmii", ports=ports, platform=Ecp5Target()))


@pytest.mark.parametrize(
    "offset, options",
    [
        (1, {"rx_delay_ps": 2000, "tx_delay_ps": 2000}),
        (-1, {"rx_delay_ps": 1000, "tx_delay_ps": 0, "tx_clock_domain": "late"}),
    ],
)
def test_rgmii(offset, options):
    run_cocotb_on(_verilog(**options), "rgmii", MODULE, models=MODELS, parameters={"OFFSET": str(offset)})


@pytest.mark.parametrize("name", ["rx_delay_ps", "tx_delay_ps"])
@pytest.mark.parametrize("delay", [-25, 3200])
def test_delays_are_checked(name, delay):
    pins = RgmiiPins(*(io.SingleEndedPort(IOPort(1, name=f"pin{pin}")) for pin in range(6)))
    delays = {"rx_delay_ps": 0, "tx_delay_ps": 0, name: delay}
    with pytest.raises(ValueError, match=f"{name} must be from 0 to 3175 ps, not {delay}"):
        RgmiiPads(pins, rx_domain="rx", tx_domain="tx", **delays)
