"""The hash: gateware equals Python, quotients invert, realistic keys spread, seeds matter."""

import random

import pytest
from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st
from opentep.gateware.tables.hash import HashFunction, HashUnit

FUNCTIONS = [
    HashFunction(58, 9, 4, quotient=True),
    HashFunction(52, 4, 4, quotient=True),
    HashFunction(60, 9, 2),
    HashFunction(128, 9, 2),
    HashFunction(60, 2, 2),
    HashFunction(60, 3, 2),
    HashFunction(60, 1, 2),
]


@pytest.mark.parametrize("late_key", [False, True])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_gateware_equals_python(function, late_key):
    dut = HashUnit(function, late_key=late_key)
    rng = random.Random(1)

    async def bench(ctx):
        for _ in range(4):
            seed = rng.getrandbits(64)
            ctx.set(dut.seed, seed)
            for _ in range(30):
                key = rng.getrandbits(function.key_bits)
                ctx.set(dut.key, key)
                direct = rng.random() < 0.1
                bucket = rng.getrandbits(function.index_bits)
                ctx.set(dut.direct, direct)
                ctx.set(dut.direct_index, bucket)
                await ctx.tick().repeat(dut.latency)
                for choice in range(function.choices):
                    expected = bucket if direct else function.index(key, seed, choice)
                    assert ctx.get(dut.index[choice]) == expected

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@given(key=st.integers(0, 2**58 - 1), seed=st.integers(0, 2**64 - 1), choice=st.integers(0, 3))
def test_quotient_inverts(key, seed, choice):
    function = FUNCTIONS[0]
    index = function.index(key, seed, choice)
    assert 0 <= index < 512
    assert function.key(function.stored(key), index, seed, choice) == key


def _sequential(rng):
    """Consecutive MACs of a few OUIs; the tenant index goes with the OUI."""
    ouis = [(tenant, 0x020000 | rng.getrandbits(16)) for tenant in range(4)]
    return [tenant << 48 | oui << 24 | n for tenant, oui in ouis for n in range(512)]


def _strided(rng):
    """MACs whose low octet never changes."""
    return [3 << 48 | 0x02AABB << 24 | n << 8 | 0x42 for n in range(2048)]


def _random(rng):
    return [rng.getrandbits(58) for _ in range(2048)]


def _tenants(rng):
    """Consecutive OUIs, everything else masked: keys of the tenant table."""
    return [(0x020000 + n) << 24 for n in range(2048)]


@pytest.mark.parametrize("keys", [_sequential, _strided, _random, _tenants])
@pytest.mark.parametrize("function", [FUNCTIONS[0], FUNCTIONS[2]])
def test_realistic_keys_spread(function, keys):
    """4 keys per bucket on average; a random function has about 2 % of its buckets empty, and none above
    16."""
    rng = random.Random(5)
    keys = keys(rng)
    for _ in range(8):
        seed = rng.getrandbits(64)
        for choice in range(function.choices):
            load = [0] * 512
            for key in keys:
                load[function.index(key, seed, choice)] += 1
            assert max(load) <= 20, (seed, choice)
            assert sum(count == 0 for count in load) <= 64, (seed, choice)


def test_choices_are_independent():
    """Keys that share a bucket of one choice do not share those of another more often than by chance."""
    rng = random.Random(9)
    function = FUNCTIONS[0]
    keys = _sequential(rng)
    for seed in (0, rng.getrandbits(64)):
        pairs = {}
        for key in keys:
            both = tuple(function.index(key, seed, choice) for choice in (0, 1))
            pairs[both] = pairs.get(both, 0) + 1
        assert max(pairs.values()) <= 3


def test_collisions_depend_on_the_seed():
    """Keys that collide under one seed spread under another."""
    rng = random.Random(11)
    function = FUNCTIONS[0]
    crafted = []
    while len(crafted) < 64:
        key = rng.getrandbits(58)
        if function.index(key, 12345, 0) == 7:
            crafted.append(key)
    for _ in range(8):
        seed = rng.getrandbits(64)
        assert len({function.index(key, seed, 0) for key in crafted}) > 48


@pytest.mark.parametrize("arguments", [(8, 9, 2), (60, 0, 2), (60, 21, 2), (60, 9, 0)])
def test_wrong_sizes_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        HashFunction(*arguments)
