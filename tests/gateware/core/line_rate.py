"""cocotb module: every port of the core takes frames back to back at its line rate and loses none.

Ports run at ``width / ports`` bits per clock, which is at least 1 Gb/s at 125 MHz in every build: the datapath is
then loaded to the last word that the wire's preamble, gap and FCS leave free. Sizes are on the wire, with FCS.
"""

import os
import random
from collections import Counter
from fractions import Fraction

import cocotb
from cocotb.triggers import ClockCycles
from core_bench import PARAMS, Wire, idle, read_register, receive, send, start, write_registers
from line_rate_traffic import scenario
from opentep.gateware.registers import memory_map
from opentep.sim.model import TepModel


async def mirror(dut, punted: list[int]):
    """A host that wants the beginning of every frame and is as fast as the register bus."""
    registers = memory_map(PARAMS)
    await write_registers(dut, [(registers["punt.always"].start, 0xFFFFFFFF)])
    while True:
        produced = await read_register(dut, registers["punt.produced"].start)
        if produced != (punted[-1] if punted else 0):
            punted.append(produced)
            await write_registers(dut, [(registers["punt.consumed"].start, produced)])
        await ClockCycles(dut.clk, 100)  # costs little simulation


@cocotb.test()
async def line_rate(dut):
    """One scenario of line_rate_traffic, named by the environment."""
    case = scenario(os.environ["SCENARIO"], PARAMS, random.Random(1))
    await start(dut, case.tables)
    punted: list[int] = []
    if int(os.environ["MIRROR"]):
        cocotb.start_soon(mirror(dut, punted))
    wire = Wire(Fraction(PARAMS.word_bytes, PARAMS.ports))
    received: list[list[bytes]] = [[] for _ in range(PARAMS.ports)]
    for port in range(PARAMS.ports):
        cocotb.start_soon(receive(dut, port, wire, received[port]))
    senders = [cocotb.start_soon(send(dut, port, frames, wire)) for port, frames in case.frames.items()]
    for sender in senders:
        await sender
    await idle(dut)

    model = TepModel(case.tables)
    expected: list[list[bytes]] = [[] for _ in range(PARAMS.ports)]
    for port, frames in case.frames.items():
        for frame in frames:
            for out, octets in model.receive(port, frame, 0):
                expected[out].append(octets)
    for port in range(PARAMS.ports):
        missing = Counter(expected[port]) - Counter(received[port])
        surplus = Counter(received[port]) - Counter(expected[port])
        assert not missing and not surplus, (
            f"port {port}: {missing.total()} of {len(expected[port])} frames missing, {surplus.total()} wrong; "
            f"sizes missing: {sorted({len(frame) for frame in missing})[:20]}"
        )
        assert len(punted) > 50 or not int(os.environ["MIRROR"])
        cocotb.log.info("port %d: %d frames out, none lost", port, len(received[port]))
