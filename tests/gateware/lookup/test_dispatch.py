"""Every verdict leaves as one commit, one descriptor per queue and one offer to the host, where there is room; what
finds none is counted."""

import random
from collections import deque
from itertools import pairwise

import pytest
from amaranth.sim import Simulator
from opentep.gateware.headers import Drop
from opentep.gateware.lookup.dispatch import Dispatch
from opentep.gateware.params import Params

COUNT = 300


def random_verdict(rng, params, number):
    """A verdict whose descriptor is known again by its number."""
    drop = rng.choice([Drop.NONE, Drop.NONE, Drop.SPOOFED, Drop.NO_BUFFER])
    return {
        "drop": drop,
        "port": rng.randrange(params.ports),
        "ports": rng.randrange(1 << params.ports) if drop == Drop.NONE else 0,
        "descriptor": {
            "head": rng.randrange(params.cells),
            "end": number,
            "exclude_vid": rng.randrange(4096),
        },
        "exclude": rng.randrange(2),
        "length": rng.randrange(60, 16384),
        "from_tep": rng.randrange(2),
        "tep": rng.randrange(params.teps),
        "from_vm": rng.randrange(2),
        "tenant": rng.randrange(params.tenants),
    }


@pytest.mark.parametrize(
    "ports",
    [
        pytest.param((1, 1), id="1+1"),
        pytest.param((3, 2), id="3+2"),
    ],
)
@pytest.mark.parametrize("offer, commit, room", [(0.3, 0.9, 0.9), (1, 1, 1), (0.9, 0.3, 0.3)])
def test_dispatch(ports, offer, commit, room):
    params = Params(access_ports=ports[0], fabric_ports=ports[1], counted_teps=16, counted_tenants=1024)
    rng = random.Random(1)
    dut = Dispatch(params)
    waiting = deque(random_verdict(rng, params, number) for number in range(COUNT))
    punts = [rng.random() < 0.3 for _ in range(COUNT)]
    counters = {("from_tep", "tep"): dut.from_teps, ("from_vm", "tenant"): dut.from_tenants}
    told = {names: [] for names in counters}
    to_tell = {
        (taken, party): [
            (verdict[party], verdict["length"])
            for verdict in waiting
            if verdict[taken] and verdict[party] < getattr(params, f"{party}_counters")
        ]
        for taken, party in counters
    }
    left = []

    def tell(ctx, ready):
        for names, channel in counters.items():
            ctx.set(channel.ready, rng.random() < ready)
            if ctx.get(channel.valid) and ctx.get(channel.ready):
                told[names].append((ctx.get(channel.payload.index), ctx.get(channel.payload.octets)))

    async def bench(ctx):
        has_room = [True] * params.readers
        had_room = has_room
        asked = False
        offering = False
        held = None  # references on offer that the memory has not taken yet
        event = (Drop.NONE, 0, None)
        late = 0  # queues that were full come a clock behind the drop
        clock = 0
        while waiting:
            # A queue keeps the room that it has until something is put into it.
            for port, queue in enumerate((*dut.enqueue, dut.host)):
                has_room[port] = has_room[port] or rng.random() < room
                ctx.set(queue.ready, has_room[port])
            # The share may be used up at any time: what counts is the clock in which the queues are asked.
            shared = sum((rng.random() < 0.5 + room / 2) << port for port in range(params.ports))
            ctx.set(dut.share, shared)
            ready = rng.random() < commit
            ctx.set(dut.commit.ready, ready)
            tell(ctx, commit)
            verdict = waiting[0]
            offering = offering or rng.random() < offer
            asking = offering
            ctx.set(dut.input.valid, offering)
            ctx.set(dut.input.payload, verdict)
            punted = punts[verdict["descriptor"]["end"]]
            ctx.set(dut.host.wanted, punted)

            dropped, full = ctx.get(dut.dropped), ctx.get(dut.queue_full)
            assert (dropped.drop, full) == (event[0], late)
            assert event[0] == Drop.NONE or dropped.port == event[2]
            late = event[1]
            event = (Drop.NONE, 0, None)

            wanted = {port for port in range(params.ports) if verdict["ports"] >> port & 1}
            wanted |= {params.ports} if punted else set()
            taken = {port for port, queue in enumerate(dut.enqueue) if ctx.get(queue.valid)}
            assert ctx.get(dut.host.leaves) == ctx.get(dut.input.ready)
            assert ctx.get(dut.host.verdict.descriptor.end) == verdict["descriptor"]["end"]
            if ctx.get(dut.host.leaves) and ctx.get(dut.host.goes):
                taken.add(params.ports)
            fire = ctx.get(dut.commit.valid) and ready
            if ctx.get(dut.commit.valid):
                assert offering
                references = ctx.get(dut.commit.payload.references)
                assert held in (None, references)
                held = references
                assert ctx.get(dut.commit.payload.head) == verdict["descriptor"]["head"]
            assert fire == ctx.get(dut.input.ready)
            assert fire or not taken
            if fire:
                assert taken <= wanted and len(taken) == references
                assert all(has_room[port] for port in taken)
                assert not any(had_room[port] for port in wanted - taken)
                for port in taken - {params.ports}:
                    descriptor = verdict["descriptor"] | {
                        "exclude": verdict["exclude"] and port == verdict["port"]
                    }
                    got = ctx.get(dut.enqueue[port].payload)
                    assert all(got[name] == value for name, value in descriptor.items())
                for port in taken:
                    has_room[port] = False
                event = (verdict["drop"], sum(1 << port for port in wanted - taken), verdict["port"])
                left.append(clock)
                waiting.popleft()
                offering, held = False, None
            if not asked:
                shares = (*(shared >> port & 1 for port in range(params.ports)), 1)
                had_room = [here and share for here, share in zip(has_room, shares, strict=True)]
            asked = not fire and (asked or asking)
            await ctx.tick()
            clock += 1
        tell(ctx, 1)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    gaps = {later - earlier for earlier, later in pairwise(left)}
    assert min(gaps) == 2, "one verdict per two clocks"
    assert told == to_tell
