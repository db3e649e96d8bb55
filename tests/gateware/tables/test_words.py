"""A whole entry at once becomes its words one by one."""

import random

from amaranth.lib import data
from amaranth.sim import Simulator
from opentep.gateware.tables.words import WORD_BITS, ByWord

ENTRY = data.StructLayout({"low": 20, "high": 80})
DEPTH = 4


def test_entries_go_and_come_back():
    rng = random.Random(1)
    dut = ByWord(ENTRY, DEPTH)
    words = -(-ENTRY.size // WORD_BITS)
    held = [[0] * words for _ in range(DEPTH)]
    order = []

    async def table(ctx):
        while True:
            sample = ctx.tick().sample(
                dut.words.w_stb, dut.words.r_stb, dut.words.index, dut.words.word, dut.words.w_data
            )
            *_, write, read, index, word, value = await sample
            ctx.set(dut.words.done, 0)
            if not (write or read):
                continue
            assert not (write and read)
            order.append((bool(write), word))
            for _ in range(rng.randrange(3)):
                _, _, strobes = await ctx.tick().sample(dut.words.w_stb | dut.words.r_stb)
                assert not strobes and ctx.get(dut.words.index) == index and ctx.get(dut.words.word) == word
            if write:
                held[index][word] = value
            ctx.set(dut.words.r_data, held[index][word])
            ctx.set(dut.words.done, 1)

    async def transfer(ctx, index, value=None):
        bus = dut.entries
        strobe = bus.r_stb if value is None else bus.w_stb
        ctx.set(bus.index, index)
        if value is not None:
            ctx.set(bus.w_data.as_value(), value)
        ctx.set(strobe, 1)
        await ctx.tick()
        ctx.set(strobe, 0)
        await ctx.tick().until(bus.done)
        return ctx.get(bus.r_data.as_value())

    async def host(ctx):
        expected = {}
        for _ in range(40):
            index = rng.randrange(DEPTH)
            order.clear()
            if rng.random() < 0.5:
                expected[index] = rng.getrandbits(ENTRY.size)
                await transfer(ctx, index, expected[index])
                assert order == [(True, word) for word in range(words)]
            else:
                assert await transfer(ctx, index) == expected.get(index, 0)
                assert order == [(False, word) for word in range(words)]

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(host)
    simulator.add_testbench(table, background=True)
    simulator.run()
