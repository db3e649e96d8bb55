"""What the core really does to a MAC: pauses within frames, at 83.33 MHz, 32 bits and 1 Gb/s on all wires."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from opentep.gateware.core import Core
from opentep.gateware.csr.bus import Bus
from opentep.gateware.egress.merge import Merge
from opentep.gateware.mac.ethernet import EthernetMac
from opentep.gateware.mac.faults import MacFaults
from opentep.gateware.params import Params
from opentep.gateware.phy.gmii import GmiiReceive, GmiiTransmit
from opentep.gateware.storm.limit import StormTicks
from opentep.gateware.trunk import TrunkSplit
from opentep.sim.cocotb_run import run_cocotb


class CoreWithMacs(wiring.Component):
    """All MACs in one domain ``phy``; MAC options as in :class:`EthernetMac`. As a trunk it has one MAC for an access
    and a fabric port, as boards with one port have it."""

    def __init__(self, params: Params, *, is_trunk: bool = False, **options: int):
        self.params = params
        self.is_trunk = is_trunk
        self.options = options
        wires = 1 if is_trunk else params.ports
        super().__init__(
            {
                "gmii_rx": In(GmiiReceive()).array(wires),
                "gmii_tx": Out(GmiiTransmit()).array(wires),
                "faults": Out(MacFaults).array(wires),
                "bus": In(Bus()),
                "second": In(1),
                "storm": In(StormTicks()),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = Core(self.params)
        for port in range(len(self.gmii_rx)):
            mac = EthernetMac(self.params.width, "phy", "phy", **self.options)
            m.submodules[f"mac{port}"] = mac
            if self.is_trunk:
                m.submodules.split = split = TrunkSplit(self.params.width)
                m.submodules.merge = merge = Merge(self.params.width)
                connect(m, mac.rx, split.input)
                connect(m, split.tagged, core.rx[0])
                connect(m, split.untagged, core.rx[1])
                connect(m, core.tx[0], merge.main)
                connect(m, core.tx[1], merge.inject)
                connect(m, merge.output, mac.tx)
            else:
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
LONG = (pytest.mark.long, pytest.mark.timeout(1800))
SIZES = (*range(64, 200), *range(200, 1519, 31), 9018)


def run(scenario: str, core_ns: int = CORE_NS, sizes: Iterable[int] = SIZES, **options: int) -> None:
    params = Params(packet_bytes=131072)
    run_cocotb(
        CoreWithMacs(params, is_trunk=scenario == "trunk", **options),
        Path(__file__).with_name("macs.py"),
        parameters={
            "PARAMS": json.dumps(params.as_dict()),
            "SCENARIO": scenario,
            "CORE_NS": str(core_ns),
            "SIZES": " ".join(map(str, sizes)),
        },
    )


def test_a_core_that_is_too_slow() -> None:
    run("tunnel", core_ns=34)


@pytest.mark.parametrize("scenario", ["hairpin", "tunnel"])
def test_macs(scenario: str) -> None:
    run(scenario)


@pytest.mark.parametrize(
    "sizes",
    [
        (*range(64, 132, 3), 256, 512, 1024, 1518),
        pytest.param(range(64, 1100), marks=LONG),
        pytest.param(range(1100, 1519), marks=LONG),
    ],
    ids=["some", "shorter", "longer"],
)
def test_trunk(sizes: Iterable[int]) -> None:
    """One wire for access and fabric, full in both directions."""
    run("trunk", sizes=sizes)
