# amaranth: UnusedElaboratable=no
"""Token buckets: every outcome is that of frames and ticks one after the other, however close together they come."""

import random
from dataclasses import dataclass

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from opentep.gateware.storm.buckets import Buckets
from opentep.gateware.storm.limit import CLOCKS_PER_TICK, TICKS_PER_SECOND

PARTIES = 32
SWEEP = CLOCKS_PER_TICK * PARTIES
"""Clocks in which a tick has had its effect."""
QUIET = 2 * SWEEP
"""More than the longest that is under way: a sweep, and one that waits for its end."""


@dataclass
class Party:
    """All states that a bucket may be in: tokens (in parts of a frame), and whether the last tick has been seen."""

    rate: int = 0
    burst: int = 0
    may_be: frozenset[tuple[int, bool]] = frozenset()
    taken: int = 0
    given: int = 0
    """In parts, since :meth:`limit`: what a bucket of endless size would have been given."""

    @property
    def size(self) -> int:
        return self.burst * TICKS_PER_SECOND

    def limit(self, rate: int, burst: int) -> None:
        """Begin with a full bucket."""
        self.rate, self.burst, self.taken, self.given = rate, burst, 0, 0
        self.may_be = frozenset({(self.size, True)})

    def refilled(self, tokens: int, intervals: int) -> int:
        return min(self.size, tokens + self.rate * intervals)

    def tick(self, intervals: int) -> None:
        self.given += self.rate * intervals
        self.may_be = frozenset((tokens, False) for tokens, _ in self.may_be)

    def ticked(self, intervals: int) -> None:
        """The tick has been seen by now."""
        self.may_be = frozenset(
            (tokens if seen else self.refilled(tokens, intervals), True) for tokens, seen in self.may_be
        )

    def outcome(self, intervals: int, denied: bool) -> None:
        before = self.may_be | {
            (self.refilled(tokens, intervals), True) for tokens, seen in self.may_be if not seen
        }
        if not self.burst:
            assert not denied
            return
        cost = 0 if denied else TICKS_PER_SECOND
        self.taken += not denied
        self.may_be = frozenset(
            (tokens - cost, seen) for tokens, seen in before if (tokens < TICKS_PER_SECOND) == denied
        )
        assert self.may_be, (
            f"no order of frames and ticks explains that a frame was{'' if denied else ' not'} denied"
        )
        assert self.taken * TICKS_PER_SECOND <= self.size + self.given


class Bench:
    """Offers frames of the parties in ``indices`` in ``rate`` of the clocks in which it may."""

    def __init__(self, seed: int, rate: float, indices, *, metered: float = 1.0):
        self.rng = random.Random(seed)
        self.rate = rate
        self.indices = list(indices)
        self.metered = metered
        self.dut = Buckets(PARTIES)
        self.reset = Signal()
        self.parties = [Party() for _ in range(PARTIES)]
        self.waiting: list[tuple[int, bool]] = []
        self.intervals = 0
        self.outcomes = [0, 0]
        self.accepted = 0

    def run(self, testbench) -> None:
        simulator = Simulator(ResetInserter(self.reset)(self.dut))
        simulator.add_clock(1e-8)
        simulator.add_testbench(testbench)
        simulator.run()

    async def clock(self, ctx, offers: bool = True) -> None:
        take, outcome = self.dut.take, self.dut.outcome
        if not ctx.get(take.valid) and offers and self.rng.random() < self.rate:
            ctx.set(take.payload.index, self.rng.choice(self.indices))
            ctx.set(take.payload.metered, self.rng.random() < self.metered)
            ctx.set(take.valid, 1)
        went = ctx.get(take.valid) and ctx.get(take.ready)
        if ctx.get(outcome.valid):
            index, metered = self.waiting.pop(0)
            denied = bool(ctx.get(outcome.denied))
            if metered:
                self.parties[index].outcome(self.intervals, denied)
            else:
                assert not denied
            self.outcomes[denied] += 1
        if went:
            self.waiting.append((ctx.get(take.payload.index), bool(ctx.get(take.payload.metered))))
            self.accepted += 1
        await ctx.tick()
        if went:
            ctx.set(take.valid, 0)

    async def tick(self, ctx, exponent: int, offers: bool = True) -> None:
        self.intervals = 1 << exponent
        for party in self.parties:
            party.tick(self.intervals)
        ctx.set(self.dut.ticks.exponent, exponent)
        ctx.set(self.dut.ticks.tick, 1)
        await self.clock(ctx, offers)
        ctx.set(self.dut.ticks.tick, 0)
        ctx.set(self.dut.ticks.exponent, self.rng.randrange(16))  # counts only with the tick

    def ticked(self) -> None:
        for party in self.parties:
            party.ticked(self.intervals)

    async def quiet(self, ctx) -> None:
        clocks = 0
        while ctx.get(self.dut.busy) or ctx.get(self.dut.take.valid):
            await self.clock(ctx, offers=False)
            clocks += 1
            assert clocks < QUIET

    async def limit(self, ctx, index: int, rate: int, burst: int) -> None:
        """Write a limit for a bucket that is full."""
        bus = self.dut.limits
        ctx.set(bus.index, index)
        ctx.set(bus.w_data, bus.w_data.shape().const({"rate": rate, "burst": burst}))
        ctx.set(bus.w_stb, 1)
        await self.clock(ctx, offers=False)
        ctx.set(bus.w_stb, 0)
        while not ctx.get(bus.done):
            await self.clock(ctx, offers=False)
        self.parties[index].limit(rate, burst)

    async def start(self, ctx, limits: dict[int, tuple[int, int]]) -> None:
        await self.quiet(ctx)
        for index, (rate, burst) in limits.items():
            await self.limit(ctx, index, rate, burst)


LIMITS = {
    0: (1, 1),
    1: (900, 1),
    7: (4096, 1),
    8: (39_000, 12),  # about as much as frames in a twentieth of the clocks take
    15: (330_000, 200),  # somewhat less than frames in every other clock
    16: (160_000, 48),
    **{index: (100 * index, 1) for index in (17, 18, 19)},
    24: (330_000, 200),
    PARTIES - 1: (4095 * 4096, 4095),
}
"""The first and the last of the buckets that are closed together are those whose frames the sweep can collide with."""


@pytest.mark.parametrize(
    "rate, indices",
    [
        (0.05, (8,)),
        (0.4, (16,)),
        (1.0, (15,)),
        (1.0, (24,)),
        (0.5, (17, 18, 19, *[31] * 45)),  # hardly ever waits while others are swept
        (0.4, (7, 8)),
        (0.05, range(PARTIES)),
        (1.0, range(PARTIES)),
    ],
    ids=["first", "another first", "last", "full rate", "beside", "both", "few of all", "all"],
)
def test_every_outcome_has_an_order(indices, rate):
    """Ticks at every distance to frames, with and without jumps in time."""
    bench = Bench(len(indices), rate, indices, metered=0.95)

    async def testbench(ctx):
        await bench.start(ctx, LIMITS)
        for number in range(60):
            await bench.tick(ctx, 0 if number % 20 else bench.rng.randrange(5))
            for _ in range(SWEEP):
                await bench.clock(ctx)
            bench.ticked()
            for _ in range(bench.rng.randrange(40)):
                await bench.clock(ctx)
        assert all(bench.outcomes)

    bench.run(testbench)


def test_a_frame_per_two_clocks():
    """Of one party, of two in turn, while nothing is swept; a sweep costs little."""
    for indices in ((9,), (9, 31), range(PARTIES)):
        bench = Bench(1, 1.0, indices)

        async def testbench(ctx, bench=bench):
            await bench.start(ctx, {})
            before = bench.accepted
            for _ in range(200):
                await bench.clock(ctx)
            assert bench.accepted - before == 100

        bench.run(testbench)


def test_a_tick_that_comes_early_counts_too():
    bench = Bench(2, 1.0, (3,))

    async def testbench(ctx):
        await bench.start(ctx, {3: (4096, 4)})
        for _ in range(20):
            await bench.clock(ctx)
        await bench.quiet(ctx)
        assert bench.outcomes[0] == 4
        ctx.set(bench.dut.ticks.exponent, 0)
        ctx.set(bench.dut.ticks.tick, 1)
        await ctx.tick()
        await ctx.tick()
        ctx.set(bench.dut.ticks.tick, 0)
        await bench.quiet(ctx)
        bench.parties[3].may_be = frozenset({(2 * TICKS_PER_SECOND, True)})
        bench.parties[3].given = 2 * TICKS_PER_SECOND
        for _ in range(20):
            await bench.clock(ctx)
        assert bench.outcomes[0] == 6

    bench.run(testbench)


def test_pending_until_all_is_paid_back():
    """A tick has no effect, and wakes nobody, while nothing is pending."""
    bench = Bench(3, 1.0, (3, 20))
    ticks = bench.dut.ticks

    async def testbench(ctx):
        await bench.start(ctx, {3: (1000, 4), 20: (2000, 2)})
        assert not ctx.get(ticks.pending)
        ctx.set(ticks.tick, 1)
        await bench.clock(ctx, offers=False)
        ctx.set(ticks.tick, 0)
        await bench.clock(ctx, offers=False)
        assert not ctx.get(bench.dut.busy)
        for _ in range(40):
            await bench.clock(ctx)
        await bench.quiet(ctx)
        assert bench.outcomes[0] == 6
        count = 0
        while ctx.get(ticks.pending):
            await bench.tick(ctx, 0, offers=False)
            await bench.quiet(ctx)
            bench.ticked()
            count += 1
        assert count == 17  # 4 frames of 4096 parts, by 1000
        for _ in range(40):
            await bench.clock(ctx)
        assert bench.outcomes[0] == 12

    bench.run(testbench)


def test_a_bucket_without_limit_is_full_when_it_gets_one():
    bench = Bench(4, 1.0, (5,))

    async def testbench(ctx):
        await bench.start(ctx, {5: (1, 3)})
        for _ in range(20):
            await bench.clock(ctx)
        await bench.quiet(ctx)
        await bench.limit(ctx, 5, 0, 0)
        await bench.tick(ctx, 0)
        await bench.quiet(ctx)
        await bench.limit(ctx, 5, 1, 3)
        bench.outcomes = [0, 0]
        for _ in range(20):
            await bench.clock(ctx)
        assert bench.outcomes[0] == 3

    bench.run(testbench)


def test_full_after_a_reset():
    bench = Bench(5, 1.0, range(PARTIES))

    async def testbench(ctx):
        await bench.start(ctx, dict.fromkeys(range(PARTIES), (1, 1)))
        for _ in range(40 * PARTIES):
            await bench.clock(ctx)
        assert bench.outcomes[0] == PARTIES
        ctx.set(bench.reset, 1)
        ctx.set(bench.dut.take.valid, 0)
        await ctx.tick()
        ctx.set(bench.reset, 0)
        bench.waiting.clear()
        bench.outcomes = [0, 0]
        await bench.start(ctx, dict.fromkeys(range(PARTIES), (1, 1)))
        for _ in range(40 * PARTIES):
            await bench.clock(ctx)
        assert bench.outcomes[0] == PARTIES

    bench.run(testbench)


@pytest.mark.parametrize("parties", [0, 8, 24])
def test_refuses(parties):
    with pytest.raises(ValueError, match="power of two"):
        Buckets(parties)
