"""The hash: gateware equals Python, realistic keys spread, seeds matter."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.params import Params
from opentep.gateware.tables.hash import HashFunction, HashUnit
from opentep.gateware.tables.mac_entry import WAYS, bucket, mac_hash
from opentep.gateware.tables.mac_steps import MAX_STEPS, walk_way

PARAMS = Params(macs=2048, tenants=1024)
FUNCTIONS = [
    mac_hash(PARAMS),
    mac_hash(Params(macs=64, tenants=16)),
    HashFunction(60, 9, 2),
    HashFunction(128, 9, 2),
    HashFunction(60, 2, 2),
    HashFunction(60, 3, 2),
    HashFunction(60, 1, 2),
]


def _mac_buckets(key, seed):
    """The bucket of ``key`` in each way of the MAC table."""
    indices = [FUNCTIONS[0].index(key, seed, choice) for choice in range(FUNCTIONS[0].choices)]
    return [bucket(PARAMS, indices, way) for way in range(WAYS)]


def _cuckoo_buckets(key, seed):
    return [FUNCTIONS[2].index(key, seed, choice) for choice in range(FUNCTIONS[2].choices)]


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


@pytest.mark.parametrize("keys", [_sequential, _strided, _random, _tenants])
@pytest.mark.parametrize("buckets", [_mac_buckets, _cuckoo_buckets])
def test_realistic_keys_spread(buckets, keys):
    """4 keys per bucket on average; a random function has about 2 % of its buckets empty, and none above
    16."""
    rng = random.Random(5)
    keys = keys(rng)
    for _ in range(8):
        seed = rng.getrandbits(64)
        for loads in zip(*(buckets(key, seed) for key in keys), strict=True):
            load = [0] * 512
            for index in loads:
                load[index] += 1
            assert max(load) <= 20, seed
            assert sum(count == 0 for count in load) <= 64, seed


def _few_per_tenant(rng):
    """Two MACs each of 1,024 tenants with consecutive OUIs."""
    return [n << 48 | (0x220000 + n) << 24 | vm for n in range(1024) for vm in range(2)]


@pytest.mark.parametrize(
    "keys,usable", [(_sequential, 1.0), (_strided, 0.95), (_random, 0.93), (_few_per_tenant, 0.90)]
)
def test_mac_table_fills(keys, usable):
    """The walk of the MAC table's engine, on a table of 2,048 slots, up to the first refusal."""
    rng = random.Random(12)
    for seed in (0, rng.getrandbits(64), rng.getrandbits(64)):
        table = {}
        slots = {}
        placed = 0
        for new in keys(rng):
            while (outcome := _insert(table, slots, new, seed)) == "moved":
                pass
            if outcome == "refused":
                break
            placed += 1
        print(f"{keys.__name__}, seed {seed:#x}: {placed / PARAMS.macs:.3f} full at the first refusal")
        assert placed >= usable * PARAMS.macs


def _insert(table, slots, new, seed):
    """One walk, as in the gateware: ``new`` goes to a free slot, or another key moves, or none can."""
    key, came = new, None
    for step in range(1, MAX_STEPS + 1):
        if key not in slots:
            slots[key] = list(enumerate(_mac_buckets(key, seed)))
        free = [slot for slot in slots[key] if slot not in table]
        if free:
            table[free[0]] = key
            if came is None:
                return "placed"
            del table[came]
            return "moved"
        came = slots[key][walk_way([step >> bit & 1 for bit in range(8)])]
        key = table[came]
    return "refused"


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


def test_consecutive_macs_use_every_bucket_equally():
    """In every way, although a way's index is a part of a wider one. Consecutive tenants come close to that."""
    for seed in (0, 0x1234567890ABCDEF):
        for tenant_bits in range(10):
            vms, tenants = 512 >> tenant_bits, 1 << tenant_bits
            keys = [n << 48 | n << 24 | vm for n in range(tenants) for vm in range(vms)]
            for way in zip(*(_mac_buckets(key, seed) for key in keys), strict=True):
                assert len(set(way)) >= (512 if tenants == 1 else 200)


@pytest.mark.parametrize("arguments", [(8, 9, 2), (60, 0, 2), (60, 21, 2), (60, 9, 0)])
def test_wrong_sizes_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        HashFunction(*arguments)
