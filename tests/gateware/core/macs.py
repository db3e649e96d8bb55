"""cocotb module: a core with a MAC at every port, or one for two; all wires take frames back to back at 1 Gb/s.

At 83.33 MHz none is lost or spoilt on its way out. A core that is too slow for MACs, below 32 MHz, counts their faults.
"""

import logging
import os
import random
from collections import Counter

import cocotb
import line_rate_traffic
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.eth import GmiiFrame, GmiiSink, GmiiSource
from core_bench import PARAMS, configure, idle, read_register
from line_rate_traffic import Scenario, scenario
from opentep.gateware.events import counter_names
from opentep.gateware.mac.faults import MacFaults
from opentep.gateware.registers import memory_map
from opentep.sim.mac import Packet
from opentep.sim.model import TepModel

CORE_NS = int(os.environ["CORE_NS"])
IS_FAST = CORE_NS < 1000 / 32
FAULTS = {"underrun": "tx_underrun", "overflow": "rx_overflow"}
"""How they are counted."""
line_rate_traffic.SIZES[:] = map(int, os.environ["SIZES"].split())
IS_TRUNK = os.environ["SCENARIO"] == "trunk"
WIRES = 1 if IS_TRUNK else PARAMS.ports


def wire(port: int) -> int:
    return 0 if IS_TRUNK else port


def on_wires(frames_by_port: dict[int, list[bytes]]) -> dict[int, list[bytes]]:
    if not IS_TRUNK:
        return frames_by_port
    return {0: [frame for pair in zip(*frames_by_port.values(), strict=True) for frame in pair]}


async def watch(dut, counted: Counter[str]):
    while True:
        await RisingEdge(dut.clk)
        for port in range(WIRES):
            faults = MacFaults.from_bits(int(getattr(dut, f"faults__{port}").value))
            for name, counter in FAULTS.items():
                counted[f"port[{port}].{counter}"] += faults[name]


async def start(dut, case: Scenario) -> tuple[list[GmiiSource], list[GmiiSink], Counter[str]]:
    """The partners of all MACs, and how many faults these tell from now on."""
    sources: list[GmiiSource] = []
    sinks: list[GmiiSink] = []
    for port in range(WIRES):
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
    counted: Counter[str] = Counter()
    cocotb.start_soon(watch(dut, counted))
    return sources, sinks, counted


async def send(dut, sources: list[GmiiSource], frames_by_port: dict[int, list[bytes]]):
    for number, frames in on_wires(frames_by_port).items():
        for frame in frames:
            sources[number].send_nowait(GmiiFrame(Packet.of(frame.ljust(60, b"\0")).octets))
    for source in sources:
        await source.wait()
    await ClockCycles(dut.clk, 1000)


@cocotb.test(skip=not IS_FAST)
async def macs(dut):
    """One scenario of line_rate_traffic, named by the environment."""
    case = scenario(os.environ["SCENARIO"], PARAMS, random.Random(1))
    sources, sinks, counted = await start(dut, case)
    await send(dut, sources, case.frames)
    await idle(dut)
    await ClockCycles(dut.phy_clk, 20_000)

    model = TepModel(case.tables)
    expected: list[Counter] = [Counter() for _ in range(WIRES)]
    for port, frames in case.frames.items():
        for frame in frames:
            for out, octets in model.receive(port, frame.ljust(60, b"\0"), 0):
                expected[wire(out)][octets.ljust(60, b"\0")] += 1
    for number, sink in enumerate(sinks):
        out: Counter = Counter()
        while not sink.empty():
            packet = sink.recv_nowait()
            assert not packet.error and packet.check_fcs()
            out[bytes(packet.get_payload())] += 1
        assert out == expected[number], f"{(expected[number] - out).total()} frames missing at wire {number}"
    assert not counted.total()


@cocotb.test(skip=IS_FAST)
async def a_core_that_is_too_slow(dut):
    """The host reads as many faults of each kind as every MAC told."""
    case = scenario(os.environ["SCENARIO"], PARAMS, random.Random(1))
    sources, _, counted = await start(dut, case)
    await send(dut, sources, case.frames)
    # A frame that lost its end ends with the next one.
    await send(dut, sources, {port: frames[:1] for port, frames in case.frames.items()})
    await idle(dut)

    for fault in FAULTS.values():
        assert sum(told for name, told in counted.items() if name.endswith(fault)), f"no {fault}"
    counters = memory_map(PARAMS)["counters"]
    for index, name in enumerate(counter_names(PARAMS)):
        if name.endswith(tuple(FAULTS.values())):
            read = await read_register(dut, counters.start + index * counters.element.stride)
            assert read == counted[name], f"{name}: {read} read, {counted[name]} told"
