"""The MAC table against a dict: every operation, lookups during moves, fill, learning, ageing."""

import random
from dataclasses import dataclass

import pytest
from amaranth.sim import Simulator
from opentep.gateware.params import Params
from opentep.gateware.tables.mac import MacTable
from opentep.gateware.tables.mac_entry import MacChange, MacKind, MacOp, MacStatus
from opentep.host.mac_fit import macs_fit
from opentep.host.tables import Local, MacTableEntry

SMALL = Params(macs=64, tenants=16)


@dataclass(frozen=True)
class Place:
    kind: MacKind
    port: int
    id: int

    @classmethod
    def random(cls, rng):
        return cls(rng.choice(list(MacKind)), rng.getrandbits(4), rng.getrandbits(12))

    @classmethod
    def of(cls, entry):
        return cls(MacKind(entry.kind), entry.port, entry.id)

    def as_dict(self):
        return {"kind": self.kind, "port": self.port, "id": self.id}


class Host:
    """Operations over the bus, as the host link performs them."""

    def __init__(self, dut, ctx):
        self.dut = dut
        self.ctx = ctx

    async def _transfer(self, strobe):
        ctx, bus = self.ctx, self.dut.bus
        ctx.set(strobe, 1)
        await ctx.tick()
        ctx.set(strobe, 0)
        for _ in range(20000):
            if ctx.get(bus.done):
                return
            await ctx.tick()
        raise AssertionError("no end of the transfer")

    async def do(self, op, key=(0, 0), place=None, index=0):
        request = {"op": op, "tenant": key[0], "mac": key[1], "index": index}
        if place is not None:
            request["entry"] = place.as_dict()
        self.ctx.set(self.dut.bus.w_data, request)
        await self._transfer(self.dut.bus.w_stb)
        await self._transfer(self.dut.bus.r_stb)
        return self.ctx.get(self.dut.bus.r_data)

    async def fill(self, keys, op=MacOp.INSERT):
        """Insert until refused; returns what was placed."""
        placed = []
        for key in keys:
            if (await self.do(op, key, Place(MacKind.LOCAL, 0, 1))).status == MacStatus.REFUSED:
                break
            placed.append(key)
        return placed


def simulate(dut, *benches):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for bench, background in benches:
        sim.add_testbench(bench, background=background)
    sim.run()


def lookups(dut, rng, keys, expected, duty):
    """Background lookups of ``keys``; ``expected(key)`` is the set of results allowed (None: no hit)."""

    async def bench(ctx):
        flight = []
        while True:
            valid = rng.random() < duty and ctx.get(dut.ready)
            key = rng.choice(keys)
            ctx.set(dut.input.valid, valid)
            ctx.set(dut.input.key.tenant, key[0])
            ctx.set(dut.input.key.mac, key[1])
            flight.append((valid, key, expected(key)))
            await ctx.tick()
            for index, (was, known, allowed) in enumerate(flight):
                if was:
                    flight[index] = (was, known, allowed | expected(known))
            if len(flight) < dut.LATENCY:
                continue
            was, known, allowed = flight.pop(0)
            assert ctx.get(dut.output.valid) == was
            if was:
                got = None
                if ctx.get(dut.output.hit):
                    got = Place.of(ctx.get(dut.output.entry))
                assert got in allowed, (known, got, allowed)

    return bench


@pytest.mark.parametrize("limit", [64, 5])
def test_random_operations_with_lookups(limit):
    rng = random.Random(7)
    dut = MacTable(SMALL)
    keys = [(rng.randrange(4), 0x020000000000 | rng.getrandbits(40)) for _ in range(58)]
    content = {}
    static = set()
    changing = {}

    def expected(key):
        return changing[key] if key in changing else {content.get(key)}

    async def host(ctx):
        ctx.set(dut.seed, rng.getrandbits(64))
        ctx.set(dut.limit, limit)
        bus = Host(dut, ctx)
        refusals = 0
        for _ in range(110):
            key = rng.choice(keys)
            op = rng.choices([MacOp.INSERT, MacOp.LEARN, MacOp.DELETE, MacOp.FIND], [8, 4, 1, 1])[0]
            place = Place.random(rng)
            before = content.get(key)
            if op != MacOp.FIND:
                changing[key] = {before, None if op == MacOp.DELETE else place}
            if op == MacOp.INSERT and len(content) > 40:
                # It may push out a learned entry.
                changing.update({k: {content[k], None} for k in content if k not in static and k != key})
            answer = await bus.do(op, key, place)
            status = MacStatus(answer.status)
            if op == MacOp.FIND:
                assert (answer.tenant, answer.mac) == key
                assert status == (MacStatus.OK if before else MacStatus.NOT_FOUND)
                if before:
                    assert Place.of(answer.entry) == before
                    assert answer.entry.static == (key in static)
            elif op == MacOp.DELETE:
                assert status == (MacStatus.OK if before else MacStatus.NOT_FOUND)
                content.pop(key, None)
                static.discard(key)
            elif op == MacOp.LEARN:
                if key in static:
                    assert status == MacStatus.STATIC
                elif before is None and sum(k[0] == key[0] for k in content.keys() - static) >= limit:
                    assert status == MacStatus.REFUSED
                elif status == MacStatus.REFUSED:
                    assert before is None and len(content) > 40
                else:
                    assert status == MacStatus.OK
                    content[key] = place
            elif status == MacStatus.REFUSED:
                refusals += 1
                assert before is None and len(content) > 40
            else:
                content[key] = place
                static.add(key)
            if op == MacOp.INSERT and len(content) > 40:
                for other in [other for other in content if other not in static]:
                    if (await bus.do(MacOp.FIND, other)).status == MacStatus.NOT_FOUND:
                        del content[other]
            changing.clear()
            assert answer.refused == refusals
        # Everything is in exactly one slot.
        found = {}
        for index in range(SMALL.macs):
            answer = await bus.do(MacOp.DUMP, index=index)
            if answer.status == MacStatus.OK:
                assert (answer.tenant, answer.mac) not in found
                found[answer.tenant, answer.mac] = Place.of(answer.entry)
                assert answer.entry.static == ((answer.tenant, answer.mac) in static)
        assert found == content
        assert (await bus.do(MacOp.CLEAR_REFUSED)).refused == 0
        known = next(iter(content))
        changing.update({key: {place, None} for key, place in content.items()})
        await bus.do(MacOp.CLEAR)
        content.clear()
        changing.clear()
        assert (await bus.do(MacOp.FIND, known)).status == MacStatus.NOT_FOUND

    simulate(dut, (host, False), (lookups(dut, rng, keys, expected, 0.6), True))


@pytest.mark.parametrize(
    "kind,seed",
    [
        ("sequential", 0),
        ("random", 0x1234567890ABCDEF),
        pytest.param("random", 0x1027C4D1C386BBC4, marks=pytest.mark.long),
    ],
)
def test_fill(kind, seed):
    """At least 90 % of the slots are used before the first refusal, which the host foresees; entries are found while
    others move."""
    params = Params(macs=64, tenants=16)
    rng = random.Random(3)
    dut = MacTable(params)
    ouis = [rng.getrandbits(22) << 26 for _ in range(4)]
    if kind == "random":
        keys = [(rng.randrange(16), rng.getrandbits(48)) for _ in range(64)]
    else:
        keys = [(n % 4, ouis[n % 4] + n // 4) for n in range(64)]
    placed = set()
    place = Place(MacKind.LOCAL, 0, 1)

    def expected(key):
        return {place} if key in placed else {place, None}

    async def host(ctx):
        ctx.set(dut.seed, seed)
        bus = Host(dut, ctx)
        for key in keys:
            answer = await bus.do(MacOp.INSERT, key, place)
            if answer.status == MacStatus.REFUSED:
                assert answer.refused == 1
                break
            placed.add(key)
        print(f"{kind}, seed {seed:#x}: {len(placed) / params.macs:.3f} full at the first refusal")
        assert len(placed) >= 0.9 * params.macs
        entries = [MacTableEntry(*key, Local(0, 1)) for key in keys]
        assert macs_fit(params, entries[: len(placed)], seed)
        assert macs_fit(params, entries[: len(placed) + 1], seed) == (len(placed) == len(keys))

    simulate(dut, (host, False), (lookups(dut, rng, keys, expected, 0.5), True))


def test_learning_from_the_pipeline():
    rng = random.Random(4)
    dut = MacTable(SMALL)
    events = []
    refused = 0

    async def listen(ctx):
        nonlocal refused
        async for _, _, event, strobe in ctx.tick().sample(dut.event, dut.refused):
            refused += strobe
            if event.change != MacChange.NONE:
                events.append((MacChange(event.change), (event.tenant, event.mac), Place.of(event.entry)))

    async def learn(ctx, key, place):
        ctx.set(dut.learn.payload, {"tenant": key[0], "mac": key[1], "entry": place.as_dict()})
        ctx.set(dut.learn.valid, 1)
        await ctx.tick().until(dut.learn.ready)
        ctx.set(dut.learn.valid, 0)

    async def idle(ctx):
        await ctx.tick()
        while ctx.get(dut.busy):
            await ctx.tick()

    async def host(ctx):
        bus = Host(dut, ctx)
        await idle(ctx)
        fixed = (1, 0x020000000001)
        home = Place(MacKind.LOCAL, 0, 7)
        await bus.do(MacOp.INSERT, fixed, home)
        keys = [(2, 0x020000000100 + n) for n in range(40)]
        places = {}
        for key in keys:
            places[key] = Place.random(rng)
            await learn(ctx, key, places[key])
        await idle(ctx)
        assert events == [(MacChange.LEARNED, key, place) for key, place in places.items()]
        events.clear()
        for key in keys[:10]:
            places[key] = Place(MacKind.REMOTE, 1, key[1] & 0xFF)
            await learn(ctx, key, places[key])
        for key in keys:
            await learn(ctx, key, places[key])
        await learn(ctx, fixed, Place(MacKind.REMOTE, 1, 9))
        await idle(ctx)
        assert events == [(MacChange.MOVED, key, places[key]) for key in keys[:10]]
        assert refused == 0
        for key, place in [*places.items(), (fixed, home)]:
            answer = await bus.do(MacOp.FIND, key)
            assert answer.status == MacStatus.OK
            assert Place.of(answer.entry) == place
        # A table full of static entries refuses to learn, and none of them is lost.
        await bus.do(MacOp.CLEAR)
        static = await bus.fill((3, rng.getrandbits(48)) for _ in range(66))
        before = refused
        for _ in range(2):
            await learn(ctx, (4, rng.getrandbits(48)), home)
        await idle(ctx)
        assert refused > before
        for key in static:
            assert (await bus.do(MacOp.FIND, key)).status == MacStatus.OK
        # A table full of learned entries makes room for static ones.
        await bus.do(MacOp.CLEAR)
        # Those that entries must move for are told like others.
        events.clear()
        learned = await bus.fill(((3, rng.getrandbits(48)) for _ in range(66)), MacOp.LEARN)
        assert events == [(MacChange.LEARNED, key, Place(MacKind.LOCAL, 0, 1)) for key in learned]
        static = await bus.fill([(5, rng.getrandbits(48)) for _ in range(10)])
        assert len(static) == 10
        # Those that made room no longer count.
        for key in static:
            await bus.do(MacOp.DELETE, key)
        left = [await bus.do(MacOp.DUMP, index=index) for index in range(SMALL.macs)]
        ctx.set(dut.limit, sum(answer.status == MacStatus.OK for answer in left) + 1)
        assert len(await bus.fill([(3, rng.getrandbits(48)) for _ in range(2)], MacOp.LEARN)) == 1

    simulate(dut, (host, False), (listen, True))


@pytest.mark.parametrize("age_seconds", [8, 16])
def test_ageing(age_seconds):
    rng = random.Random(age_seconds)
    dut = MacTable(SMALL)

    async def host(ctx):
        ctx.set(dut.age_seconds, age_seconds)
        bus = Host(dut, ctx)
        aged = []

        async def second():
            ctx.set(dut.second, 1)
            await ctx.tick()
            ctx.set(dut.second, 0)
            await ctx.tick().repeat(2)
            while ctx.get(dut.busy):
                _, _, event = await ctx.tick().sample(dut.event)
                if event.change == MacChange.AGED:
                    aged.append(((event.tenant, event.mac), Place.of(event.entry)))

        place = Place(MacKind.LOCAL, 0, 1)
        fixed, quiet, busy = (0, 1), (0, 2), (0, 3)
        # In the slot where a scan begins, and would begin once more.
        while (await bus.do(MacOp.DUMP, index=0)).status == MacStatus.NOT_FOUND:
            await bus.do(MacOp.DELETE, quiet)
            quiet = (0, quiet[1] + 2)
            await bus.do(MacOp.LEARN, quiet, place)
        await bus.do(MacOp.DELETE, quiet)
        ctx.set(dut.limit, 2)
        await bus.do(MacOp.INSERT, fixed, place)
        for _ in range(rng.randrange(age_seconds)):
            await second()
        await bus.do(MacOp.LEARN, quiet, place)
        await bus.do(MacOp.LEARN, busy, place)
        lifetime = None
        for now in range(1, 2 * age_seconds):
            await second()
            if now % max(age_seconds // 8, 1) == 0:
                await bus.do(MacOp.LEARN, busy, place)
            if lifetime is None and (await bus.do(MacOp.FIND, quiet)).status == MacStatus.NOT_FOUND:
                lifetime = now
        assert 0.75 * age_seconds <= lifetime <= 1.25 * age_seconds
        assert aged == [(quiet, place)]
        assert (await bus.do(MacOp.LEARN, quiet, place)).status == MacStatus.OK
        assert (await bus.do(MacOp.LEARN, (0, 1 << 40), place)).status == MacStatus.REFUSED
        assert (await bus.do(MacOp.LEARN, (1, 1 << 40), place)).status == MacStatus.OK
        for key in (fixed, busy):
            assert (await bus.do(MacOp.FIND, key)).status == MacStatus.OK
        # 0 stops ageing.
        ctx.set(dut.age_seconds, 0)
        for _ in range(age_seconds + 2):
            await second()
        assert (await bus.do(MacOp.FIND, busy)).status == MacStatus.OK

    simulate(dut, (host, False))
