"""The cuckoo table driven by the host's placement: lookups on every clock while entries move."""

import gc
import random
import warnings

import pytest
from amaranth.hdl import ResetInserter, Signal, UnusedElaboratable
from amaranth.sim import Simulator
from opentep.gateware.tables.cam import Cam
from opentep.gateware.tables.cuckoo import CuckooTable
from opentep.gateware.tables.halved import HalvedTable
from opentep.host.cuckoo import CuckooPlacement, TableFullError


async def _transfer(ctx, bus, index, entry=None):
    """One write of ``entry``, or a read."""
    ctx.set(bus.index, index)
    if entry is not None:
        ctx.set(bus.w_data, entry)
    strobe = bus.r_stb if entry is None else bus.w_stb
    ctx.set(strobe, 1)
    await ctx.tick()
    ctx.set(strobe, 0)
    for _ in range(200):
        if ctx.get(bus.done):
            return ctx.get(bus.r_data)
        await ctx.tick()
    raise AssertionError("no end of the transfer")


def small(kind):
    """A table, the host's view of it, and the clocks that a lookup takes."""
    seed = random.Random(kind).getrandbits(64)
    if kind == "halved":
        dut = HalvedTable(128, 10, 16)
        return dut, CuckooPlacement(dut.hash, 16, slots=1, stash=0, seed=seed), 2
    choices, buckets, slots = (3, 4, 4) if kind == "dense" else (2, 16, 2)
    dut = CuckooTable(60, 10, buckets, slots=slots, choices=choices, stash=2)
    placement = CuckooPlacement(dut.hash, buckets, slots=slots, choices=choices, stash=2, seed=seed)
    return dut, placement, 1


@pytest.mark.parametrize("kind", ["cuckoo", "dense", "halved"])
def test_lookups_while_the_host_moves_entries(kind):
    rng = random.Random(2)
    dut, placement, clocks_per_key = small(kind)
    keys = [rng.getrandbits(dut.key_bits) for _ in range(60)]
    for low in range(0, 60, 2):  # keys that differ in one half only
        keys[low + 1] ^= (keys[low + 1] ^ keys[low]) & ((1 << dut.key_bits // 2) - 1) << rng.choice(
            [0, dut.key_bits // 2]
        )
    content = {}
    changing = {}
    moves = 0

    def expected(key):
        return changing.get(key, {content.get(key)})

    async def lookups(ctx):
        flight = []
        while True:
            busy = bool(flight) and flight[-1][0] and clocks_per_key == 2
            valid = not busy and rng.random() < 0.7
            if not busy:
                key = rng.choice(keys)
            ctx.set(dut.input.valid, valid)
            ctx.set(dut.input.key, key)
            flight.append([valid, key, expected(key)])
            await ctx.tick()
            for entry in flight:
                entry[2] = entry[2] | expected(entry[1])
            if len(flight) < dut.LATENCY:
                continue
            was, _, allowed = flight.pop(0)
            assert ctx.get(dut.output.valid) == was
            if was:
                got = ctx.get(dut.output.value) if ctx.get(dut.output.hit) else None
                assert got in allowed

    async def host(ctx):
        nonlocal moves
        ctx.set(dut.seed, placement.seed)
        for _ in range(500):
            key = rng.choice(keys)
            before = content.get(key)
            if before is not None and rng.random() < 0.4:
                writes = placement.remove(key)
                after = None
            else:
                after = rng.getrandbits(10)
                try:
                    writes = placement.insert(key, after)
                except TableFullError:
                    continue
            moves += len(writes) > 1
            changing[key] = {before, after}
            for write in writes:
                bus = dut.stash_bus if write.stash else dut.slots_bus
                entry = {"valid": write.valid, "key": write.key, "value": write.value}
                await _transfer(ctx, bus, write.index, entry)
            content[key] = after
            del changing[key]
        for write in placement.entries():
            bus = dut.stash_bus if write.stash else dut.slots_bus
            stored = await _transfer(ctx, bus, write.index)
            assert (stored.valid, stored.key, stored.value) == (1, write.key, write.value)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(host)
    sim.add_testbench(lookups, background=True)
    sim.run()
    assert moves > 5


@pytest.mark.parametrize("kind", ["cuckoo", "dense", "halved"])
def test_a_reset_makes_every_slot_invalid(kind):
    dut, placement, _ = small(kind)
    reset = Signal()
    slots = range(placement.capacity - getattr(dut, "stash", 0))

    async def host(ctx):
        for index in slots:
            await _transfer(ctx, dut.slots_bus, index, {"valid": 1, "key": 5, "value": 3})
        assert all([(await _transfer(ctx, dut.slots_bus, index)).valid for index in slots])
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert not ctx.get(dut.ready)
        assert not any([(await _transfer(ctx, dut.slots_bus, index)).valid for index in slots])

    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-8)
    simulator.add_testbench(host)
    simulator.run()


def test_cam_exhaustively():
    """Every content of two entries of a 2-bit key, every key, enabled or not."""
    dut = Cam(2, 3, 2)

    async def bench(ctx):
        entries = [{"valid": v, "key": k, "value": k + 4 * v} for v in (0, 1) for k in range(4)]
        for first in entries:
            await _transfer(ctx, dut.bus, 0, first)
            for second in entries:
                await _transfer(ctx, dut.bus, 1, second)
                for index, entry in enumerate((first, second)):
                    read = await _transfer(ctx, dut.bus, index)
                    assert (read.valid, read.key, read.value) == (
                        entry["valid"],
                        entry["key"],
                        entry["value"],
                    )
                queue = []
                for key, enable in [(key, enable) for key in range(4) for enable in (0, 1)] + [(0, 0)] * 2:
                    ctx.set(dut.key, key)
                    ctx.set(dut.enable, enable)
                    hits = [e["value"] for e in (first, second) if enable and e["valid"] and e["key"] == key]
                    queue.append(hits)
                    await ctx.tick()
                    if len(queue) == dut.LATENCY:
                        hits = queue.pop(0)
                        assert ctx.get(dut.hit) == bool(hits)
                        assert ctx.get(dut.value) == (hits[0] if hits else 0)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize(
    "arguments", [{"buckets": 12}, {"buckets": 16, "slots": 3}, {"buckets": 16, "choices": 0}]
)
def test_wrong_sizes_are_refused(arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        with pytest.raises(ValueError, match=r"power of two|at least 1"):
            CuckooTable(60, 10, **arguments)
        gc.collect()
