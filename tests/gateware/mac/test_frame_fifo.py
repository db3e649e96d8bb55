# amaranth: UnusedElaboratable=no
"""Between two clocks of any ratio, with resets at any time: whole frames, marked ones, or none."""

import random

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator
from opentep.gateware.mac.frame_fifo import FrameFifo
from opentep.sim.mac import Collector, frame_words

WIDTH = 32


async def wait(ctx, domain, clocks):
    """Also through resets."""
    for _ in range(clocks):
        await ctx.tick(domain)


def run(dut, frames, *, write=8.0, read=8.0, offer=1.0, take=1.0, resets=(), seed=1):
    """Frames that come out, and the number of overflows. ``write``, ``read``: clock periods in ns. ``resets``: domains
    that are reset now and then, except during the last fifth of the frames."""
    rng = random.Random(seed)
    top = Module()
    domains = {name: ClockDomain(name) for name in ("write", "read")}
    for name, domain in domains.items():
        setattr(top.domains, name, domain)
    top.submodules.dut = dut
    simulator = Simulator(top)
    simulator.add_clock(write * 1e-9, domain="write")
    simulator.add_clock(read * 1e-9, phase=rng.random() * read * 1e-9, domain="read")
    collector = Collector(WIDTH)
    overflows = 0
    begun = 0
    fed = False

    async def feed(ctx):
        nonlocal begun, fed
        await wait(ctx, "read", 10)
        await wait(ctx, "write", 10)
        for octets, good in frames:
            begun += 1
            for word in frame_words(octets, WIDTH, error=not good):
                reset = False
                while rng.random() >= offer and not reset:
                    _, reset = await ctx.tick("write")
                ctx.set(dut.input.valid, not reset)
                ctx.set(dut.input.payload.as_value(), word)
                ready = False
                while not ready and not reset:
                    _, reset, ready = await ctx.tick("write").sample(dut.input.ready)
                ctx.set(dut.input.valid, 0)
                if reset:
                    break  # who writes is reset as well, and goes on with another frame
        await wait(ctx, "write", 30)
        await wait(ctx, "read", 100)
        fed = True

    async def drain(ctx):
        while not fed:
            ready = rng.random() < take
            ctx.set(dut.output.ready, ready)
            _, reset, valid, word = await ctx.tick("read").sample(dut.output.valid, dut.output.payload)
            if reset:
                collector.current = b""
            elif valid and ready:
                collector.add(word.as_bits())

    async def count(ctx):
        nonlocal overflows
        async for _, _, overflow in ctx.tick("write").sample(dut.overflow):
            overflows += overflow

    async def disturb(ctx):
        while begun < len(frames) * 4 // 5:
            for name in resets:
                await wait(ctx, name, rng.randrange(1, 60))
                ctx.set(domains[name].rst, 1)
                await wait(ctx, name, rng.randrange(1, 6))
                ctx.set(domains[name].rst, 0)

    simulator.add_testbench(feed)
    simulator.add_testbench(drain)
    simulator.add_testbench(count, background=True)
    if resets:
        simulator.add_testbench(disturb)
    simulator.run()
    return collector.frames, overflows


def numbered(count, longest, seed=1):
    """Frames no two of which are alike, nor parts of them."""
    rng = random.Random(seed)
    frames = []
    for number in range(count):
        words = rng.randrange(1, longest)
        octets = b"".join(number.to_bytes(2, "big") + index.to_bytes(2, "big") for index in range(words))
        frames.append((octets[: len(octets) - rng.randrange(2)], bool(rng.randrange(4))))
    return frames


@pytest.mark.parametrize("write, read", [(8, 8), (8, 7.3), (12, 8), (8, 31), (31, 8)])
@pytest.mark.parametrize("offer, take", [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3)])
def test_frames_pass_unchanged(write, read, offer, take):
    frames = numbered(60, 20)
    left, _ = run(FrameFifo(WIDTH), frames, write=write, read=read, offer=offer, take=take)
    assert left == frames


def test_full_rate():
    frames = numbered(100, 20)
    assert run(FrameFifo(WIDTH, depth=16, lossy=True), frames, write=8, read=7.99) == (frames, 0)


def check_remains(frames, left):
    """Good ones are whole and in order; the undisturbed ones at the end are all there."""
    good = [octets for octets, intact in left if intact]
    sent = iter(octets for octets, intact in frames if intact)
    assert all(any(octets == other for other in sent) for octets in good)
    undisturbed = frames[-(len(frames) // 10) :]
    assert left[-len(undisturbed) :] == undisturbed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize("resets", [("read",), ("write",), ("read", "write")], ids="-".join)
def test_resets(resets, lossy, seed):
    frames = numbered(250, 12, seed)
    left, _ = run(
        FrameFifo(WIDTH, lossy=lossy), frames, write=8.1, read=6.7, offer=0.6, resets=resets, seed=seed
    )
    assert len(frames) // 5 < len(left)
    check_remains(frames, left)


@pytest.mark.parametrize("seed", range(3))
def test_overflow_leaves_no_torn_frame(seed):
    frames = numbered(250, 20, seed)
    left, overflows = run(FrameFifo(WIDTH, lossy=True), frames, read=10, offer=0.9, take=0.9, seed=seed)
    good = [octets for octets, intact in left if intact]
    sent = [octets for octets, intact in frames if intact]
    assert set(good) <= set(sent) and good == sorted(good)
    assert overflows and len(frames) - overflows <= len(left)
    assert len(frames) // 10 < len(good) < len(sent)


@pytest.mark.parametrize("depth", [0, 2, 6, 8.0])
def test_bad_arguments(depth):
    with pytest.raises(ValueError, match="power of two"):
        FrameFifo(WIDTH, depth=depth)
