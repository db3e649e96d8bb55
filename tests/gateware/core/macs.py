"""cocotb module: a core with a MAC at every port; all ports take frames back to back at 1 Gb/s, and none is lost or
spoilt on its way out."""

import logging
import os
import random
from collections import Counter

import cocotb
import line_rate_traffic
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.eth import GmiiFrame, GmiiSink, GmiiSource
from core_bench import PARAMS, configure, idle
from line_rate_traffic import scenario
from opentep.sim.mac import Packet
from opentep.sim.model import TepModel

CORE_NS = 12
line_rate_traffic.SIZES[:] = [*range(64, 200), *range(200, 1519, 31), 9018]


async def count(dut, strobes: Counter):
    while True:
        await RisingEdge(dut.clk)
        for name in ("underrun", "overflow"):
            strobes[name] += int(getattr(dut, name).value).bit_count()


@cocotb.test()
async def macs(dut):
    """One scenario of line_rate_traffic, named by the environment."""
    case = scenario(os.environ["SCENARIO"], PARAMS, random.Random(1))
    sources, sinks = [], []
    for port in range(PARAMS.ports):
        for kind, partners, way in ((GmiiSource, sources, "rx"), (GmiiSink, sinks, "tx")):
            data, error, valid = (
                getattr(dut, f"gmii_{way}__{port}__{pin}") for pin in ("data", "error", "valid")
            )
            partners.append(kind(data, error, valid, dut.phy_clk))
            partners[-1].log.setLevel(logging.WARNING)
            getattr(dut, f"gmii_{way}__{port}__enable").value = 1
    dut.phy_rst.value = 1
    cocotb.start_soon(Clock(dut.phy_clk, 8, "ns").start())
    await ClockCycles(dut.phy_clk, 4)
    dut.phy_rst.value = 0
    await configure(dut, case.tables, CORE_NS)
    strobes: Counter[str] = Counter()
    cocotb.start_soon(count(dut, strobes))

    for port, frames in case.frames.items():
        for frame in frames:
            sources[port].send_nowait(GmiiFrame(Packet.of(frame.ljust(60, b"\0")).octets))
    for source in sources:
        await source.wait()
    await ClockCycles(dut.clk, 1000)
    await idle(dut)
    await ClockCycles(dut.phy_clk, 20_000)

    model = TepModel(case.tables)
    expected: list[Counter] = [Counter() for _ in range(PARAMS.ports)]
    for port, frames in case.frames.items():
        for frame in frames:
            for out, octets in model.receive(port, frame.ljust(60, b"\0"), 0):
                expected[out][octets.ljust(60, b"\0")] += 1
    cocotb.log.info("strobes: %s", dict(strobes))
    for port, sink in enumerate(sinks):
        out: Counter = Counter()
        while not sink.empty():
            packet = sink.recv_nowait()
            assert not packet.error and packet.check_fcs()
            out[bytes(packet.get_payload())] += 1
        assert out == expected[port], f"{(expected[port] - out).total()} frames missing at port {port}"
    assert not strobes.total()
