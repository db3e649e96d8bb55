"""cocotb module: many tenants send broadcasts at line rate, from all access ports, beyond what they may."""

import random
from collections import Counter
from fractions import Fraction

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from core_bench import PARAMS, Wire, idle, receive, send, start
from opentep.gateware.storm.limit import CLOCKS_PER_TICK, TICKS_PER_SECOND
from opentep.host.tables import Local, MacTableEntry, Port, ReplicaList, Storm, Tenant, TepTables
from opentep.sim.model import TepModel

TENANTS = 48
VOLLEYS = 6
VOLLEY = 250
"""Frames per port."""
SIZE = 60
BROADCAST = 0xFFFFFFFFFFFF
UNICAST = 0.2
"""Share of frames that are for one VM."""


def oui(tenant: int) -> int:
    return 0x020000 | tenant


def home(tenant: int) -> int:
    """The port that its VM sends from: a tenant's frames come in order, so that it is clear who gets the last token."""
    return tenant % PARAMS.access_ports


def tables(rng: random.Random) -> TepTables:
    """A VM that sends and, on the next port, one that receives, per tenant. Every seventh one has no limit."""
    indices = rng.sample(range(PARAMS.limited_tenants), TENANTS)
    tenants, macs, lists = [], [], []
    for number, index in enumerate(indices):
        burst = rng.choice((1, 2, 3, 10, 100))
        storm = Storm(rng.randrange(1, 4096 * burst + 1), burst) if number % 7 else None
        tenants.append(
            Tenant(index, f"t{number}", (oui(number),), flood_list=number, network=number + 1, storm=storm)
        )
        to = (home(number) + 1) % PARAMS.access_ports
        for vm, port in ((1, home(number)), (2, to)):
            macs.append(MacTableEntry(index, oui(number) << 24 | vm, Local(port, 100 * vm + number)))
        lists.append(ReplicaList(number, {to: (200 + number,)}))
    return TepTables(
        name="storm",
        address=1 << 120,
        ports=(
            *(Port(f"a{port}", "access") for port in range(PARAMS.access_ports)),
            *(Port(f"f{port}", "fabric", mac=0x02FF00000001) for port in range(PARAMS.fabric_ports)),
        ),
        tenants=tuple(tenants),
        macs=tuple(macs),
        lists=tuple(lists),
    )


def frame(rng: random.Random, tenant: int) -> bytes:
    dst = BROADCAST if rng.random() > UNICAST else oui(tenant) << 24 | 2
    tag = (0x8100 << 16 | 100 + tenant).to_bytes(4, "big")
    octets = dst.to_bytes(6, "big") + (oui(tenant) << 24 | 1).to_bytes(6, "big") + tag + b"\x88\xb5"
    return octets + rng.randbytes(SIZE - len(octets))


def volley(rng: random.Random) -> dict[int, list[bytes]]:
    """Now and then several frames of a tenant in a row."""
    frames: dict[int, list[bytes]] = {}
    for port in range(PARAMS.access_ports):
        frames[port] = []
        while len(frames[port]) < VOLLEY:
            tenant = rng.choice([tenant for tenant in range(TENANTS) if home(tenant) == port])
            frames[port] += [frame(rng, tenant) for _ in range(rng.choice((1, 1, 2, 5)))]
    return frames


async def fire(dut, wire: Wire, frames: dict[int, list[bytes]]) -> None:
    senders = [cocotb.start_soon(send(dut, port, octets, wire)) for port, octets in frames.items()]
    for sender in senders:
        await sender


async def tick(dut, exponent: int) -> None:
    dut.storm__tick.value = 1
    dut.storm__exponent.value = exponent
    await RisingEdge(dut.clk)
    dut.storm__tick.value = 0


def sender_of(octets: bytes) -> int:
    return int.from_bytes(octets[6:9], "big") & 0xFFFF


def is_broadcast(octets: bytes) -> bool:
    return octets[:6] == b"\xff" * 6


async def begin(dut, rng: random.Random) -> tuple[TepTables, Wire, list[list[bytes]]]:
    made = tables(rng)
    await start(dut, made)
    await idle(dut)
    wire = Wire(Fraction(PARAMS.word_bytes, PARAMS.ports))
    received: list[list[bytes]] = [[] for _ in range(PARAMS.ports)]
    for port in range(PARAMS.ports):
        cocotb.start_soon(receive(dut, port, wire, received[port]))
    return made, wire, received


@cocotb.test()
async def ticks_between_frames(dut):
    """Exactly what the model lets pass, volley by volley."""
    rng = random.Random(1)
    made, wire, received = await begin(dut, rng)
    model = TepModel(made, PARAMS)
    expected: list[list[bytes]] = [[] for _ in range(PARAMS.ports)]
    ticks = 0
    for _ in range(VOLLEYS):
        frames = volley(rng)
        await fire(dut, wire, frames)
        await idle(dut)
        time = -(-ticks * 1_000_000_000 // TICKS_PER_SECOND)
        for port, octets in frames.items():
            for sent in octets:
                for out, left in model.receive(port, sent, time):
                    expected[out].append(left)
        exponent = rng.randrange(4)
        ticks += 1 << exponent
        await tick(dut, exponent)
        await idle(dut)
    drops = sum(port["drops"]["storm"] for port in model.counters()["ports"].values())
    for port in range(PARAMS.ports):
        assert Counter(expected[port]) == Counter(received[port]), f"port {port}"
    assert drops > VOLLEYS * VOLLEY / 4
    cocotb.log.info("%d of %d frames dropped", drops, VOLLEYS * VOLLEY * PARAMS.access_ports)


@cocotb.test()
async def ticks_among_frames(dut):
    """Ticks as close together as they may come: each tenant gets its burst and what the ticks give, and no more. What
    has no limit, and what is for one VM, loses nothing."""
    rng = random.Random(2)
    made, wire, received = await begin(dut, rng)
    ticks = [0]

    async def clockwork():
        while True:
            await ClockCycles(dut.clk, CLOCKS_PER_TICK * PARAMS.limited_tenants)
            await tick(dut, 0)
            ticks[0] += 1

    ticking = cocotb.start_soon(clockwork())
    frames: dict[int, list[bytes]] = {}
    for _ in range(VOLLEYS):
        for port, octets in volley(rng).items():
            frames.setdefault(port, []).extend(octets)
    await fire(dut, wire, frames)
    ticking.cancel()
    await idle(dut)

    sent = Counter(sender_of(octets) for port in frames.values() for octets in port if is_broadcast(octets))
    passed = Counter(sender_of(octets) for port in received for octets in port if is_broadcast(octets))
    for number, tenant in enumerate(made.tenants):
        if tenant.storm is None:
            assert passed[number] == sent[number]
            continue
        given = ticks[0] * tenant.storm.rate / TICKS_PER_SECOND
        assert min(sent[number], tenant.storm.burst) <= passed[number] <= tenant.storm.burst + given
    for_one = [
        sum(not is_broadcast(octets) for port in ports for octets in port)
        for ports in (frames.values(), received)
    ]
    assert for_one[0] == for_one[1]
    assert ticks[0] > 5 and passed.total() < sent.total()
    cocotb.log.info("%d of %d broadcasts passed, %d ticks", passed.total(), sent.total(), ticks[0])
