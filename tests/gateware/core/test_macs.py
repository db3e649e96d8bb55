"""What the core really does to a MAC: pauses within frames, at 83.33 MHz, 32 bits and 1 Gb/s on all ports."""

import json
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from opentep.gateware.core import Core
from opentep.gateware.csr.bus import Bus
from opentep.gateware.mac.ethernet import EthernetMac
from opentep.gateware.mac.faults import MacFaults
from opentep.gateware.params import Params
from opentep.gateware.phy.gmii import GmiiReceive, GmiiTransmit
from opentep.gateware.storm.limit import StormTicks
from opentep.sim.cocotb_run import run_cocotb


class CoreWithMacs(wiring.Component):
    """All MACs in one domain ``phy``; MAC options as in :class:`EthernetMac`."""

    def __init__(self, params: Params, **options: int):
        self.params = params
        self.options = options
        super().__init__(
            {
                "gmii_rx": In(GmiiReceive()).array(params.ports),
                "gmii_tx": Out(GmiiTransmit()).array(params.ports),
                "faults": Out(MacFaults).array(params.ports),
                "bus": In(Bus()),
                "second": In(1),
                "storm": In(StormTicks()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = Core(self.params)
        for port in range(self.params.ports):
            mac = EthernetMac(self.params.width, "phy", "phy", **self.options)
            m.submodules[f"mac{port}"] = mac
            connect(m, mac.rx, core.rx[port])
            connect(m, core.tx[port], mac.tx)
            connect(m, flipped(self.gmii_rx[port]), mac.gmii_rx)
            connect(m, mac.gmii_tx, flipped(self.gmii_tx[port]))
            m.d.comb += [core.faults[port].eq(mac.faults), self.faults[port].eq(mac.faults)]
        connect(m, flipped(self.bus), core.bus)
        connect(m, flipped(self.storm), core.storm)
        m.d.comb += [core.second.eq(self.second), self.busy.eq(core.busy)]
        return m


CORE_NS = 12


def run(scenario: str, core_ns: int = CORE_NS, **options: int) -> None:
    params = Params(packet_bytes=131072)
    run_cocotb(
        CoreWithMacs(params, **options),
        Path(__file__).with_name("macs.py"),
        parameters={"PARAMS": json.dumps(params.as_dict()), "SCENARIO": scenario, "CORE_NS": str(core_ns)},
    )


def test_a_core_that_is_too_slow() -> None:
    run("tunnel", core_ns=34)


@pytest.mark.parametrize("scenario", ["hairpin", "tunnel"])
def test_macs(scenario: str) -> None:
    run(scenario)
