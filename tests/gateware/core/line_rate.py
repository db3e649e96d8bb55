"""cocotb module: every port of the core takes frames back to back at its line rate and loses none.

Ports run at ``width / ports`` bits per clock, which is at least 1 Gb/s at 125 MHz in every build: the datapath is
then loaded to the last word that the wire's preamble, gap and FCS leave free. Sizes are on the wire, with FCS.
"""

import os
import random
from collections import Counter
from fractions import Fraction

import cocotb
from core_bench import PARAMS, Wire, idle, receive, send, start
from line_rate_traffic import scenario
from opentep.sim.model import TepModel


@cocotb.test()
async def line_rate(dut):
    """One scenario of line_rate_traffic, named by the environment."""
    case = scenario(os.environ["SCENARIO"], PARAMS, random.Random(1))
    await start(dut, case.tables)
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
        cocotb.log.info("port %d: %d frames out, none lost", port, len(received[port]))
