"""Whatever is asked, whole, damaged or cut short: the responder answers what the model answers, and nothing else."""

import random
from collections import deque
from dataclasses import dataclass, replace

import pytest
from amaranth.sim import Simulator
from opentep.gateware.csr.codec import Codec
from opentep.gateware.headers import Edit
from opentep.gateware.memory.ports import READ_LATENCY
from opentep.gateware.params import CELL_BYTES, Params
from opentep.gateware.suppression.responder import Responder
from opentep.gateware.suppression.tables import KnownEntry, known_geometry
from opentep.host.cuckoo import CuckooPlacement, SlotWrite
from opentep.host.encode import known_key
from opentep.host.tables import KnownAddress, Tenant, TepTables
from opentep.sim.model.packet import AccessFrame
from opentep.sim.model.suppression import LONGEST_REQUEST, answer
from opentep.sim.model.tables import Tables
from opentep.sim.packets import arp, ethernet, neighbour_solicitation, solicited_node, tag
from opentep.sim.wire import pad

BROADCAST = 0xFFFFFFFFFFFF
ASKER = 0xA20001000001
IP4, IP6 = 0x0A000000, 0xFD10 << 112
SEED = 0x0123456789ABCDEF
TENANTS = (3, 4)
WIDTHS = (32, pytest.param(64, marks=pytest.mark.long), 512)
SLOWEST = {32: 450, 64: 380, 512: 340}
"""Clocks that a frame takes at most, by width, when nobody is in the way."""


@dataclass
class Asked:
    frame: bytes
    tenant: int
    cell: int
    port: int


def known(tenants: tuple[int, ...] = TENANTS) -> tuple[KnownAddress, ...]:
    """The same addresses in each tenant, of other VMs; one of them is the asker's own."""
    return tuple(
        KnownAddress(
            tenant, version, network | host, ASKER if host == 1 else 0xA20000000000 | tenant << 8 | host
        )
        for tenant in tenants
        for version, network in ((4, IP4), (6, IP6))
        for host in range(1, 6)
    )


def tables_of(addresses: tuple[KnownAddress, ...]) -> tuple[Tables, dict[int, Tenant]]:
    tenants = tuple(Tenant(index, f"t{index}", (0xA20000,), suppresses=True) for index in TENANTS)
    return Tables(TepTables("x", 1, (), tenants=tenants, known=addresses), {}), {t.index: t for t in tenants}


def request(rng: random.Random, **changes) -> bytes:
    fields = {"operation": 1, "sha": ASKER, "sender": IP4 | 1, "target": IP4 | rng.randrange(7), **changes}
    packet = arp(fields["operation"], fields["sha"], fields["sender"], 0, fields["target"])
    return ethernet(BROADCAST, ASKER, 0x0806, packet)


def solicitation(rng: random.Random, **changes) -> bytes:
    target = changes.get("target", IP6 | rng.randrange(7))
    packet = neighbour_solicitation(
        changes.get("sender", IP6 | 1),
        solicited_node(target),
        target,
        changes.get("mac", ASKER),
        changes.get("hop_limit", 255),
        options=changes.get("options", b""),
    )
    return ethernet(0x3333FF000000 | target & 0xFFFFFF, ASKER, 0x86DD, packet)


def nonce(units: int, octets: int | None = None) -> bytes:
    return bytes((14, units)) + bytes((8 * units if octets is None else octets) - 2)


def variants(rng: random.Random) -> list[bytes]:
    """Every way to be wrong that has a name, beside the right ones."""
    return [
        *(request(rng, target=IP4 | host) for host in range(8)),
        *(solicitation(rng, target=IP6 | host) for host in range(8)),
        request(rng, target=IP4 | 2, sender=IP4 | 2),
        request(rng, target=IP4 | 2, sender=0),
        request(rng, target=IP4 | 2, sender=IP4 | 1 << 16),
        request(rng, target=IP4 | 2, operation=2),
        request(rng, target=IP4 | 2, operation=0x0100),
        request(rng, target=IP4 | 2, sha=ASKER ^ 1),
        request(rng, target=IP4 | 2, sha=ASKER ^ 1 << 47),
        ethernet(BROADCAST, ASKER, 0x8035, request(rng)[14:]),
        solicitation(rng, target=IP4 | 2),
        solicitation(rng, target=IP6 | 2 | 1 << 127),
        solicitation(rng, target=IP6 | 2 | 1 << 64),
        solicitation(rng, target=IP6 | 2, sender=0),
        solicitation(rng, target=IP6 | 2, sender=IP6 | 2),
        solicitation(rng, target=IP6 | 2, sender=0xFF02 << 112 | 1),
        solicitation(rng, target=IP6 | 2, sender=0xFE80 << 112 | 1),
        solicitation(rng, target=IP6 | 2, hop_limit=254),
        solicitation(rng, target=IP6 | 2, mac=None),
        solicitation(rng, target=IP6 | 2, options=nonce(1)),
        solicitation(rng, target=IP6 | 2, options=nonce(3)),
        solicitation(rng, target=IP6 | 2, options=nonce(1) * 4),
        solicitation(rng, target=IP6 | 2, options=nonce(1) * 5),
        solicitation(rng, target=IP6 | 2, options=nonce(2, 8)),
        solicitation(rng, target=IP6 | 2, options=nonce(255, 16)),
        solicitation(rng, target=IP6 | 2, options=nonce(0, 8)),
        solicitation(rng, target=IP6 | 2, options=nonce(1) + nonce(0, 8)),
        solicitation(rng, target=IP6 | 2, options=bytes(3)),
        solicitation(rng, target=IP6 | 2, options=bytes(4)),
    ]


def rewritten_length(frame: bytes, length: int) -> bytes:
    return frame[:18] + length.to_bytes(2, "big") + frame[20:]


def damaged(rng: random.Random) -> bytes:
    """A frame that would be answered but for something, mostly."""
    frame = rng.choice((request, solicitation))(rng)
    kind = rng.randrange(6)
    if kind < 3:
        bit = rng.randrange(12 * 8, 8 * len(frame))
        flipped = bytes((frame[bit // 8] ^ 1 << bit % 8,))
        return frame[: bit // 8] + flipped + frame[bit // 8 + 1 :]
    if kind == 3:
        return frame[: rng.randrange(14, len(frame))]
    if kind == 4:
        return rewritten_length(frame, rng.choice((0, 16, 23, 24, 25, 31, 32, 40, 0x20, 0x2020, 0xFFFF)))
    return frame + rng.randbytes(rng.randrange(30))


def words_of(octets: bytes, width: int) -> list[int]:
    size = width // 8
    return [int.from_bytes(octets[at : at + size], "little") for at in range(0, CELL_BYTES, size)]


class Rig:
    """Packet memory and host around a responder; ``busy`` is the share of clocks in which memory has other things to
    do."""

    def __init__(self, params: Params, seed: int, busy: float):
        self.dut = Responder(params)
        self.params = params
        self.rng = random.Random(seed)
        self.busy = busy
        self.cells: dict[int, list[int]] = {}
        self.clocks: list[int] = []

    async def write(self, ctx, entry: SlotWrite) -> None:
        bus = self.dut.bus
        value = {"key": entry.key, "value": entry.value, "valid": int(entry.valid)}
        for number, word in enumerate(Codec(KnownEntry).to_words(value)):
            ctx.set(bus.index, entry.index)
            ctx.set(bus.word, number)
            ctx.set(bus.w_data, word)
            ctx.set(bus.w_stb, 1)
            await ctx.tick()
            ctx.set(bus.w_stb, 0)
            await ctx.tick().until(bus.done)

    async def read(self, ctx, index: int) -> dict:
        bus = self.dut.bus
        words = []
        for number in range(Codec(KnownEntry).words):
            ctx.set(bus.index, index)
            ctx.set(bus.word, number)
            ctx.set(bus.r_stb, 1)
            await ctx.tick()
            ctx.set(bus.r_stb, 0)
            await ctx.tick().until(bus.done)
            words.append(ctx.get(bus.r_data))
        return Codec(KnownEntry).from_words(words)

    def placement(self, addresses: tuple[KnownAddress, ...]) -> CuckooPlacement:
        shape = known_geometry(self.params)
        table = CuckooPlacement(shape.hash, shape.buckets, slots=shape.slots, choices=2, stash=0, seed=SEED)
        for address in addresses:
            table.insert(known_key(address), address.mac)
        return table

    async def memory(self, ctx) -> None:
        dut, width = self.dut, self.params.width
        answers = deque([None] * READ_LATENCY)
        while True:
            ready = self.rng.random() >= self.busy
            free = self.rng.random() >= self.busy
            ctx.set(dut.read.request.ready, ready)
            ctx.set(dut.patch.ready, free)
            answer_now = answers.popleft()
            ctx.set(dut.read.valid, answer_now is not None)
            ctx.set(dut.read.data, self.rng.getrandbits(width) if answer_now is None else answer_now)
            asks = ctx.get(dut.read.request.valid) and ready
            cell, word = ctx.get(dut.read.request.payload.cell), ctx.get(dut.read.request.payload.word)
            answers.append(self.cells[cell][word] if asks else None)
            if ctx.get(dut.patch.valid) and free:
                change = ctx.get(dut.patch.payload)
                self.cells[change.cell][change.word.number] = change.word.data
            await ctx.tick()

    async def ask(self, ctx, asked: Asked) -> tuple[object, bytes, bool]:
        """The verdict that comes back, what is in the cell then, and whether it counts as an answer."""
        dut = self.dut
        octets = asked.frame + self.rng.randbytes(CELL_BYTES - len(asked.frame))
        self.cells[asked.cell] = words_of(octets, self.params.width)
        ctx.set(dut.request.payload, verdict_on(asked))
        ctx.set(dut.request.valid, 1)
        clocks = 0
        while not ctx.get(dut.outcome.valid):
            clocks += 1
            assert clocks < 20_000 and not ctx.get(dut.request.ready)
            await ctx.tick()
        for _ in range(self.rng.randrange(3)):
            await ctx.tick()
        ctx.set(dut.outcome.ready, 1)
        outcome = ctx.get(dut.outcome.payload)
        answered = bool(ctx.get(dut.answered))
        assert ctx.get(dut.request.ready)
        await ctx.tick()
        ctx.set(dut.outcome.ready, 0)
        ctx.set(dut.request.valid, 0)
        self.clocks.append(clocks)
        size = self.params.width // 8
        return outcome, b"".join(word.to_bytes(size, "little") for word in self.cells[asked.cell]), answered

    def run(self, bench) -> None:
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.add_testbench(self.memory, background=True)
        simulator.run()


def verdict_on(asked: Asked) -> dict:
    frame = asked.frame
    return {
        "port": asked.port,
        "ports": 0b11,
        "descriptor": {
            "head": asked.cell,
            "end": len(frame),
            "edit": Edit.RETAG,
            "is_list": 1,
            "target": 0x123,
            "tagged": int(frame[12:14] == b"\x81\x00"),
            "pcp_dei": 5,
            "exclude_vid": 77,
        },
        "exclude": 1,
        "length": len(frame),
        "stored": 1,
        "asks": 1,
        "tenant": asked.tenant,
    }


def check(asked: Asked, got: tuple[object, bytes, bool], reply: bytes | None) -> None:
    outcome, cell, answered = got
    wanted = verdict_on(asked)
    if reply is None:
        assert cell[: len(asked.frame)] == asked.frame
    else:
        assert cell[: len(reply)] == reply, asked.frame.hex()
        wanted |= {"ports": 1 << asked.port, "exclude": 0, "stored": 0}
        wanted["descriptor"] |= {"end": len(reply), "is_list": 0, "target": 77, "tagged": 0}
    assert answered == (reply is not None), asked.frame.hex()
    for name, value in wanted.items():
        if name == "descriptor":
            assert {field: outcome.descriptor[field] for field in value} == value
        else:
            assert outcome[name] == value


def as_it_comes(rng: random.Random, frame: bytes) -> bytes:
    return pad(tag(frame, 77, 5) if rng.random() < 0.7 else frame)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("busy", [0, 0.7])
def test_answers_what_the_model_answers(width: int, busy: float) -> None:
    params = Params(width=width, tenants=16, known_addresses=64, access_ports=2)
    rng = random.Random(width)
    addresses = known()
    tables, tenants = tables_of(addresses)
    rig = Rig(params, width, busy)
    answered = []

    async def bench(ctx) -> None:
        dut = rig.dut
        ctx.set(dut.seed, SEED)
        for entry in rig.placement(addresses).entries():
            await rig.write(ctx, entry)
        frames = variants(rng) + [damaged(rng) for _ in range(120)]
        for frame in frames:
            octets = as_it_comes(rng, frame)
            if len(octets) > LONGEST_REQUEST:
                continue
            asked = Asked(
                octets, rng.choice((*TENANTS, *TENANTS, 5)), rng.randrange(params.cells), rng.randrange(2)
            )
            parsed = AccessFrame.parse(octets, 77)
            tenant = tenants.get(asked.tenant)
            reply = None if tenant is None else answer(tables, tenant, replace(parsed, dst=BROADCAST))
            check(asked, await rig.ask(ctx, asked), reply)
            answered.append((reply is not None, len(reply or b"")))

    rig.run(bench)
    assert {length for _, length in answered} == {0, 42, 86}
    assert sum(is_answered for is_answered, _ in answered) > 15
    if not busy:
        assert max(rig.clocks[1:]) < SLOWEST[width], max(rig.clocks)


def test_every_length_of_a_request() -> None:
    """Cut short or with more behind it, at each octet, tagged and not."""
    params = Params(tenants=16, known_addresses=16, access_ports=2)
    rng = random.Random(5)
    addresses = known((3,))[:10]
    tables, tenants = tables_of(addresses)
    rig = Rig(params, 5, 0.2)

    async def bench(ctx) -> None:
        ctx.set(rig.dut.seed, SEED)
        for entry in rig.placement(addresses).entries():
            await rig.write(ctx, entry)
        whole = solicitation(rng, target=IP6 | 2, options=nonce(1))
        for frame in (whole, tag(whole, 77)):
            for length in range(60, LONGEST_REQUEST + 1, 3 if frame is whole else 1):
                octets = (frame + bytes(CELL_BYTES))[:length]
                asked = Asked(octets, 3, 9, 0)
                reply = answer(tables, tenants[3], AccessFrame.parse(octets, 77))
                assert (reply is None) == (length < len(frame))
                check(asked, await rig.ask(ctx, asked), reply)

    rig.run(bench)


def test_table_changes_while_it_is_asked() -> None:
    """What does not change is found at every instant, what moves too; what is read back is what was written."""
    params = Params(tenants=16, known_addresses=16, access_ports=2)
    rig = Rig(params, 7, 0)
    rng = random.Random(7)
    stays = KnownAddress(3, 4, IP4 | 2, 0xA20000000302)
    tables, tenants = tables_of((stays,))
    frame = pad(tag(request(rng, target=IP4 | 2), 77))
    finished = []

    async def host(ctx) -> None:
        table = rig.placement(())
        ctx.set(rig.dut.seed, SEED)
        for entry in table.insert(known_key(stays), stays.mac):
            await rig.write(ctx, entry)
        finished.append("ready")
        others: list[int] = []
        for number in range(60):
            if len(others) < 12 and (not others or rng.random() < 0.6):
                key = known_key(KnownAddress(rng.choice(TENANTS), 6, IP6 | number << 8 | 7, 1))
                others.append(key)
                writes = table.insert(key, rng.getrandbits(48))
            else:
                writes = table.remove(others.pop(rng.randrange(len(others))))
            for entry in writes:
                await rig.write(ctx, entry)
        for entry in table.entries():
            found = await rig.read(ctx, entry.index)
            assert (found["key"], found["value"], found["valid"]) == (entry.key, entry.value, 1)
        finished.append("done")

    async def bench(ctx) -> None:
        await ctx.tick()
        asks = 0
        while "done" not in finished:
            if "ready" not in finished:
                await ctx.tick()
                continue
            asked = Asked(frame, 3, 4, 1)
            check(asked, await rig.ask(ctx, asked), answer(tables, tenants[3], AccessFrame.parse(frame, 77)))
            asks += 1
        assert asks > 10

    simulator = Simulator(rig.dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.add_testbench(host)
    simulator.add_testbench(rig.memory, background=True)
    simulator.run()
