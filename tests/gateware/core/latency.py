"""cocotb module: clocks from the last word of a frame in to the first word of the result out, unloaded."""

import os
import random
from fractions import Fraction

import cocotb
from cocotb.triggers import RisingEdge
from core_bench import PARAMS, Wire, idle, send, start
from line_rate_traffic import hairpin, tunnel

LIMIT = int(os.environ["CLOCKS"])


async def _measure(dut, port: int, out: int, frame: bytes, wire: Wire) -> int:
    """Clock edges between the one that takes the last word and the one that gives the first."""
    valid = getattr(dut, f"tx__{out}__valid")
    getattr(dut, f"tx__{out}__ready").value = 1
    sender = cocotb.start_soon(send(dut, port, [frame], wire))
    await sender
    clocks = 0
    while not int(valid.value):
        await RisingEdge(dut.clk)
        clocks += 1
        assert clocks < 1000, "the frame never came out"
    await idle(dut)
    return clocks


@cocotb.test()
async def latency(dut):
    """Hairpin, encapsulation and decapsulation, short and long frames."""
    rng = random.Random(1)
    same, across = hairpin(PARAMS, rng), tunnel(PARAMS, rng)
    await start(dut, same.tables)
    access, fabric = 0, PARAMS.access_ports
    wire = Wire(Fraction(PARAMS.word_bytes, PARAMS.ports))
    worst = 0
    for size in (60, 61, 62, 63, 64, 200, 1514):
        for name, port, out, frames in (
            ("hairpin", access, 1 % PARAMS.access_ports, same.frames[access]),
            ("encapsulation", access, fabric, [f for f in across.frames[access] if f[3:5] == b"\x80\x00"]),
            ("decapsulation", fabric, access, across.frames[fabric][:: PARAMS.access_ports]),
        ):
            frame = min((f for f in frames if len(f) >= size), key=len, default=frames[-1])
            clocks = await _measure(dut, port, out, frame, wire)
            worst = max(worst, clocks)
            cocotb.log.info("%s, %d octets: %d clocks", name, len(frame), clocks)
    cocotb.log.info("worst latency: %d clocks", worst)
    assert worst <= LIMIT
