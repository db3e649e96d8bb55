"""Placement: every write leaves every other key findable, and tables fill as they should."""

import random

import pytest
from opentep.gateware.tables.halved import FoldedHash
from opentep.gateware.tables.hash import HashFunction
from opentep.host.cuckoo import CuckooPlacement, TableFullError


class Table:
    """What the gateware finds: content of slots and stash, hit where the hash points."""

    def __init__(self, placement):
        self.placement = placement
        self.slots = {}
        self.stash = {}

    def apply(self, write):
        memory = self.stash if write.stash else self.slots
        memory.pop(write.index, None)
        if write.valid:
            memory[write.index] = (write.key, write.value)

    def lookup(self, key):
        p = self.placement
        found = [value for stored, value in self.stash.values() if stored == key]
        for choice in range(p.choices):
            bucket = choice * p.buckets + p.hash.index(key, p.seed, choice)
            for slot in range(p.slots):
                stored = self.slots.get(bucket * p.slots + slot)
                if stored is not None and stored[0] == key:
                    found.append(stored[1])
        assert len(set(found)) <= 1
        return found[0] if found else None


def test_untouched_keys_hit_at_every_instant():
    rng = random.Random(2)
    placement = CuckooPlacement(HashFunction(60, 4, 2), 16, seed=rng.getrandbits(64))
    table = Table(placement)
    content = {}
    moves = full = 0
    for _ in range(700):
        if content and rng.random() < 0.35:
            key = rng.choice(list(content))
            writes = placement.remove(key)
            after = {k: v for k, v in content.items() if k != key}
        else:
            key = rng.getrandbits(60) if rng.random() < 0.8 or not content else rng.choice(list(content))
            value = rng.getrandbits(10)
            try:
                writes = placement.insert(key, value)
            except TableFullError as error:
                full += 1
                assert key not in placement
                assert f"{len(content)} of 68" in str(error)
                continue
            after = content | {key: value}
        moves += len(writes) > 1
        for write in writes:
            table.apply(write)
            for other, value in content.items():
                if other != key:
                    assert table.lookup(other) == value
        content = after
        assert len(placement) == len(content)
        for known, value in content.items():
            assert table.lookup(known) == placement.lookup(known) == value
        assert table.lookup(key) == content.get(key)
    assert moves > 10
    assert full > 0
    reloaded = Table(placement)
    for write in placement.entries():
        reloaded.apply(write)
    assert all(reloaded.lookup(key) == value for key, value in content.items())


@pytest.mark.parametrize("slots,choices,target", [(4, 2, 0.97), (2, 2, 0.85), (1, 4, 0.95), (1, 2, 0.4)])
@pytest.mark.parametrize("kind", ["random", "ouis"])
def test_fill(slots, choices, target, kind):
    rng = random.Random(3)
    for seed in (0, rng.getrandbits(64)):
        placement = CuckooPlacement(
            HashFunction(60, 8, choices), 256, slots=slots, choices=choices, seed=seed
        )
        total = slots * choices * 256
        try:
            for n in range(2 * total):
                placement.insert(rng.getrandbits(60) if kind == "random" else (0x020000 + n) << 36, 1)
        except TableFullError:
            pass
        assert len(placement) >= target * total


def addresses(kind, rng):
    """IPv6 addresses as operators give them, or as nobody does."""
    number = 0
    while True:
        number += 1
        yield {
            "random": rng.getrandbits(128),
            "hosts": 0x20010DB8 << 96 | number,
            "subnets": 0x20010DB8 << 96 | number << 64 | 1,
            "repeated": 0x20010DB8 << 96 | number << 80 | number << 64 | number << 16 | number,
            "embedded MACs": 0xFE80 << 112 | 0x0200_5EFF_FE00_0000 | number << 8,
        }[kind]


@pytest.mark.parametrize("kind", ["random", "hosts", "subnets", "repeated", "embedded MACs"])
def test_fill_with_addresses(kind):
    rng = random.Random(4)
    for seed in (0, rng.getrandbits(64)):
        placement = CuckooPlacement(FoldedHash(128, 8, 2), 256, slots=1, choices=2, stash=0, seed=seed)
        given = addresses(kind, rng)
        with pytest.raises(TableFullError):
            while True:
                placement.insert(next(given), 1)
        assert len(placement) >= 0.3 * 512


def test_wrong_arguments():
    hash = HashFunction(60, 4, 2)
    with pytest.raises(ValueError, match="power of two"):
        CuckooPlacement(hash, 12)
    with pytest.raises(ValueError, match="seed"):
        CuckooPlacement(hash, 16, seed=1 << 64)
    with pytest.raises(KeyError):
        CuckooPlacement(hash, 16).remove(5)
    with pytest.raises(ValueError, match="60 bits"):
        CuckooPlacement(hash, 16).insert(1 << 60, 0)
