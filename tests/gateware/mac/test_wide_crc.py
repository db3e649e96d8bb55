# amaranth: UnusedElaboratable=no
"""The CRC of words, and octets of zero taken back out of it, against zlib."""

import random
import zlib

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from opentep.gateware.mac.wide_crc import INTACT, FcsRewinder, WideCrc, after_zeros

OCTETS = 8
LATENCY = WideCrc.LATENCY + FcsRewinder.LATENCY


def register_behind(octets):
    return zlib.crc32(octets) ^ 0xFFFFFFFF


def test_zeros_forth_and_back():
    rng = random.Random(1)
    for octets in range(17):
        frame = rng.randbytes(20)
        padded = register_behind(frame + bytes(octets))
        assert after_zeros(register_behind(frame), octets) == padded
        assert after_zeros(padded, -octets) == register_behind(frame)
    assert register_behind(frame + zlib.crc32(frame).to_bytes(4, "little")) == INTACT


@pytest.mark.parametrize("gap", [1, 2, 5])
def test_frames_of_all_lengths(gap):
    """``gap``: words from the last one of a frame to the first one of the next, less one; ``begin`` is in the last."""
    rng = random.Random(gap)
    frames = [rng.randbytes(length) for length in (*range(1, 40), *rng.choices(range(1, 100), k=40))]
    m = Module()
    m.submodules.crc = crc = WideCrc()
    m.submodules.rewinder = rewinder = FcsRewinder()
    unused = [Signal(3, name=f"unused{age}") for age in range(WideCrc.LATENCY + 1)]
    m.d.sync += [unused[age + 1].eq(unused[age]) for age in range(WideCrc.LATENCY)]
    m.d.comb += [rewinder.register.eq(crc.register), rewinder.octets.eq(unused[-1])]
    registers, wanted = [], {}
    simulator = Simulator(m)
    simulator.add_clock(6.4e-9)

    async def bench(ctx):
        async def word(octets=b"", begin=0):
            ctx.set(crc.data, int.from_bytes(octets, "little"))
            ctx.set(crc.begin, begin)
            ctx.set(unused[0], -len(octets) % OCTETS)
            await ctx.tick()
            registers.append(ctx.get(rewinder.result))

        for frame in frames:
            for _ in range(gap - 1):
                await word()
            await word(begin=1)
            for at in range(0, len(frame), OCTETS):
                await word(frame[at : at + OCTETS])
            wanted[len(registers) - 1 + LATENCY - 1] = register_behind(frame)
        for _ in range(LATENCY):
            await word()

    simulator.add_testbench(bench)
    simulator.run()
    assert {at: registers[at] for at in wanted} == wanted
