"""The hash: gateware equals Python, realistic keys spread, seeds matter."""

import random
from collections import Counter

import pytest
from amaranth.hdl import Array, Module, Signal
from amaranth.sim import Simulator
from opentep.gateware.params import Params
from opentep.gateware.tables.hash import HashFunction, HashUnit
from opentep.gateware.tables.mac_entry import WAYS, bucket, mac_hash

FUNCTIONS = [
    mac_hash(Params()),
    mac_hash(Params(macs=64, tenants=16)),
    HashFunction(60, 9, 2),
    HashFunction(128, 9, 2),
    HashFunction(60, 2, 2),
    HashFunction(60, 3, 2),
    HashFunction(60, 1, 2),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gateware_equals_python(function):
    dut = HashUnit(function)
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
                await ctx.tick().repeat(dut.LATENCY)
                for choice in range(function.choices):
                    expected = bucket if direct else function.index(key, seed, choice)
                    assert ctx.get(dut.index[choice]) == expected

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


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


def _mac_buckets(key, seed):
    """Buckets of a key in all ways of the MAC table, in plain integers."""
    function = FUNCTIONS[0]
    indices = [function.index(key, seed, choice) for choice in range(function.choices)]
    return [
        index & 0x1FF if way % 2 == 0 else index >> 9 | (index >> 2 & 0x7F) << 2
        for way, index in ((way, indices[way // 2]) for way in range(WAYS))
    ]


def _table_buckets(key, seed):
    """The same for the tenant table."""
    return [FUNCTIONS[2].index(key, seed, choice) for choice in range(2)]


def test_buckets_of_the_mac_table_are_bits_of_the_hash():
    params = Params()
    indices = Array([Signal(11, name=f"index{choice}") for choice in range(2)])
    ways = [Signal(9, name=f"way{way}") for way in range(WAYS)]
    m = Module()
    m.d.comb += [signal.eq(bucket(indices, way)) for way, signal in enumerate(ways)]
    rng = random.Random(2)

    async def bench(ctx):
        for _ in range(50):
            key, seed = rng.getrandbits(58), rng.getrandbits(64)
            for choice, signal in enumerate(indices):
                ctx.set(signal, mac_hash(params).index(key, seed, choice))
            assert [ctx.get(signal) for signal in ways] == _mac_buckets(key, seed)

    sim = Simulator(m)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("keys", [_sequential, _strided, _random, _tenants])
@pytest.mark.parametrize("buckets", [_mac_buckets, _table_buckets])
def test_realistic_keys_spread(buckets, keys):
    """4 keys per bucket on average; a random function has about 2 % of its buckets empty, and none above
    16."""
    rng = random.Random(5)
    keys = keys(rng)
    for _ in range(8):
        seed = rng.getrandbits(64)
        places = [buckets(key, seed) for key in keys]
        for choice in range(len(places[0])):
            load = Counter(place[choice] for place in places)
            assert max(load.values()) <= 20, (seed, choice)
            assert 512 - len(load) <= 64, (seed, choice)


def test_choices_are_independent():
    """Keys that share a bucket of one choice do not share those of another more often than by chance."""
    rng = random.Random(9)
    keys = _sequential(rng)
    for seed in (0, rng.getrandbits(64)):
        for ways in ((0, 2), (1, 3)):
            pairs = Counter(tuple(_mac_buckets(key, seed)[way] for way in ways) for key in keys)
            assert max(pairs.values()) <= 3


def test_collisions_depend_on_the_seed():
    """Keys that collide under one seed spread under another."""
    rng = random.Random(11)
    crafted = []
    while len(crafted) < 64:
        key = rng.getrandbits(58)
        if _mac_buckets(key, 12345)[0] == 7:
            crafted.append(key)
    for _ in range(8):
        seed = rng.getrandbits(64)
        assert len({_mac_buckets(key, seed)[0] for key in crafted}) > 48


@pytest.mark.parametrize("arguments", [(8, 9, 2), (60, 0, 2), (60, 21, 2), (60, 9, 0)])
def test_wrong_sizes_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        HashFunction(*arguments)
