"""cocotb module: block RAM of DP16KD cells against a reference, all shapes at once."""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge


async def _exercise(dut, number, width, depth):
    rng = random.Random(width * depth)
    pin = {
        name: getattr(dut, f"ram{number}__{name}")
        for name in ("w_en", "w_addr", "w_data", "r_en", "r_addr", "r_data")
    }
    addresses = [rng.randrange(depth) for _ in range(20)] + [0, depth - 1]
    held = {}
    for address in addresses:
        held[address] = rng.getrandbits(width)
        pin["w_en"].value, pin["w_addr"].value, pin["w_data"].value = 1, address, held[address]
        await RisingEdge(dut.clk)
    expected = []
    for _ in range(300):
        address = rng.choice(addresses)
        other = rng.choice([a for a in addresses if a != address])
        enable, write, value = rng.random() < 0.8, rng.random() < 0.3, rng.getrandbits(width)
        pin["r_en"].value, pin["r_addr"].value = enable, address
        pin["w_en"].value, pin["w_addr"].value, pin["w_data"].value = write, other, value
        expected.append(held[address] if enable else expected[-1] if expected else None)
        if write:
            held[other] = value
        await RisingEdge(dut.clk)
        # This edge takes the present address; what it still shows belongs to two edges ago.
        if len(expected) > 2 and expected[-3] is not None:
            assert int(pin["r_data"].value) == expected[-3]


@cocotb.test()
async def rams(dut):
    cocotb.start_soon(Clock(dut.clk, 8000, "ps").start())
    shapes = [tuple(map(int, shape.split("x"))) for shape in os.environ["SHAPES"].split()]
    for task in [cocotb.start_soon(_exercise(dut, number, *shape)) for number, shape in enumerate(shapes)]:
        await task
