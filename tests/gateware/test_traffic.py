# amaranth: UnusedElaboratable=no
"""Counters per party: nothing lost whatever the order and the rate, reads whole, zero after reset."""

import random
from itertools import cycle

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from opentep.gateware import traffic
from opentep.gateware.events import TRAFFIC_COUNTERS
from opentep.gateware.traffic import TrafficCounters

PARTIES = 16


class Bench:
    """Feeds frames in at both inputs, ``rate`` of the clocks in which it may, and knows what they add up to."""

    def __init__(self, seed: int, rate: float, indices=range(PARTIES)):
        self.rng = random.Random(seed)
        self.rate = rate
        self.indices = indices
        self.dut = TrafficCounters(PARTIES)
        self.reset = Signal()
        self.totals = [0] * self.dut.depth
        self.accepted = [0, 0]

    def run(self, testbench):
        simulator = Simulator(ResetInserter(self.reset)(self.dut))
        simulator.add_clock(1e-8)
        simulator.add_testbench(testbench)
        simulator.run()

    async def clock(self, ctx, offers=True):
        """One clock, in which frames are offered; what was refused stays on offer."""
        dut = self.dut
        for channel in (dut.received, dut.sent):
            if not ctx.get(channel.valid) and offers and self.rng.random() < self.rate:
                ctx.set(channel.payload.index, self.rng.choice(self.indices))
                ctx.set(channel.payload.octets, self.rng.choice((60, 114, 9270, 32767)))
                ctx.set(channel.valid, 1)
        went = []
        for direction, channel in enumerate((dut.received, dut.sent)):
            if ctx.get(channel.valid) and ctx.get(channel.ready):
                row = ctx.get(channel.payload.index) * len(TRAFFIC_COUNTERS) + 2 * direction
                self.totals[row] += 1
                self.totals[row + 1] += ctx.get(channel.payload.octets)
                self.accepted[direction] += 1
                went.append(channel)
        await ctx.tick()
        for channel in went:
            ctx.set(channel.valid, 0)

    async def quiet(self, ctx):
        clocks = 0
        while ctx.get(self.dut.busy):
            await self.clock(ctx, offers=False)
            clocks += 1
            assert clocks < self.dut.depth + 40

    async def read(self, ctx, index, limit=12, offers=False):
        bus = self.dut.bus
        ctx.set(bus.index, index)
        ctx.set(bus.r_stb, 1)
        for _ in range(limit):
            await self.clock(ctx, offers)
            ctx.set(bus.r_stb, 0)
            if ctx.get(bus.done):
                return ctx.get(bus.r_data)
        raise AssertionError(f"no answer in {limit} clocks")

    async def check(self, ctx):
        await self.quiet(ctx)
        assert [await self.read(ctx, index) for index in range(self.dut.depth)] == self.totals


@pytest.mark.parametrize("indices", [(5,), (5, 9), range(PARTIES)], ids=["one", "two", "all"])
@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_counts_everything(indices, rate):
    bench = Bench(len(indices), rate, indices)

    async def testbench(ctx):
        for _ in range(1200):
            await bench.clock(ctx)
        await bench.check(ctx)

    bench.run(testbench)


@pytest.mark.parametrize(
    "turn,clocks", [((3,), 2), ((3, 12), 2), ((3, 3, 12, 12), 3)], ids=["one", "in turn", "in pairs"]
)
def test_rate_of_received_frames(turn, clocks):
    """A frame per two clocks, or, at the worst, per three, whatever is sent meanwhile."""
    bench = Bench(0, 1.0)
    parties = cycle(turn)

    def choose(options):
        return next(parties) if options is bench.indices else 114

    bench.rng.choice = choose

    async def testbench(ctx):
        await bench.quiet(ctx)
        for _ in range(400):
            await bench.clock(ctx)
        assert bench.accepted[0] >= 400 // clocks - 2

    bench.run(testbench)


def test_reads_while_frames_come(monkeypatch):
    """What is read is what some frames, in their order, add up to; and across the carry between the halves, of which
    the lower one is made smaller so that every sixth frame or so makes it overflow."""
    monkeypatch.setattr(traffic, "_LOW_BITS", 16)
    bench = Bench(3, 1.0, (7,))
    most = (1, 32767)
    """What a frame adds to each."""

    async def testbench(ctx):
        await bench.quiet(ctx)
        last = [0, 0]
        for _ in range(600):
            which = bench.rng.randrange(2)
            before = bench.totals[4 * 7 + which]
            count = await bench.read(ctx, 4 * 7 + which, offers=True)
            # Of what is accepted, the frame at work and the one that waits behind it may not count yet.
            assert before - 2 * most[which] <= count <= bench.totals[4 * 7 + which]
            assert count >= last[which]
            last[which] = count
            for _ in range(bench.rng.randrange(20)):
                await bench.clock(ctx)
        await bench.check(ctx)

    bench.run(testbench)


def test_carry(monkeypatch):
    """The halves of a counter, made smaller so that the lower one overflows."""
    monkeypatch.setattr(traffic, "_LOW_BITS", 16)
    bench = Bench(4, 1.0, (1, 2))

    async def testbench(ctx):
        for _ in range(300):
            await bench.clock(ctx)
        await bench.check(ctx)
        assert max(bench.totals) >> 18

    bench.run(testbench)


def test_zero_after_a_reset():
    bench = Bench(5, 0.7)

    async def testbench(ctx):
        for _ in range(3):
            for _ in range(bench.rng.randrange(100, 300)):
                await bench.clock(ctx)
            ctx.set(bench.reset, 1)
            ctx.set(bench.dut.received.valid, 0)
            ctx.set(bench.dut.sent.valid, 0)
            await ctx.tick()
            ctx.set(bench.reset, 0)
            bench.totals = [0] * bench.dut.depth
            for _ in range(bench.rng.randrange(1, 60)):
                await bench.clock(ctx)
            await bench.check(ctx)

    bench.run(testbench)


def test_writes_change_nothing():
    bench = Bench(6, 0)
    bus = bench.dut.bus

    async def testbench(ctx):
        await bench.quiet(ctx)
        ctx.set(bus.index, 3)
        ctx.set(bus.w_data, 99)
        ctx.set(bus.w_stb, 1)
        await ctx.tick()
        ctx.set(bus.w_stb, 0)
        await ctx.tick().until(bus.done)
        assert await bench.read(ctx, 3) == 0

    bench.run(testbench)


@pytest.mark.parametrize("parties", [0, 1, 12])
def test_refuses(parties):
    with pytest.raises(ValueError, match="power of two"):
        TrafficCounters(parties)
