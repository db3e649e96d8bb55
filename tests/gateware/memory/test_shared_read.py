"""Two readers on one port: each gets its own answers, in order, and the first never waits for the second."""

import random
from collections import deque

from amaranth.sim import Simulator
from opentep.gateware.memory.ports import READ_LATENCY
from opentep.gateware.memory.shared_read import SharedRead
from opentep.gateware.params import Params


def test_shared_read() -> None:
    params = Params()
    rng = random.Random(1)
    dut = SharedRead(params)
    users = (dut.first, dut.second)
    asked = [deque(), deque()]
    answered = [0, 0]

    async def bench(ctx) -> None:
        in_flight = deque([None] * READ_LATENCY)
        offers = [None, None]
        while min(answered) < 200:
            ready = rng.random() < 0.7
            ctx.set(dut.read.request.ready, ready)
            answer = in_flight.popleft()
            ctx.set(dut.read.valid, answer is not None)
            ctx.set(dut.read.data, 0 if answer is None else answer)
            ctx.set(dut.read.next_cell, 0 if answer is None else answer % params.cells)
            for index, user in enumerate(users):
                if offers[index] is None and rng.random() < 0.5:
                    offers[index] = (rng.randrange(params.cells), rng.randrange(params.cell_words))
                ctx.set(user.request.valid, offers[index] is not None)
                if offers[index] is not None:
                    ctx.set(user.request.payload, dict(zip(("cell", "word"), offers[index], strict=True)))
            for index, user in enumerate(users):
                if ctx.get(user.valid):
                    assert ctx.get(user.data) == asked[index].popleft()
                    assert ctx.get(user.next_cell) == ctx.get(user.data) % params.cells
                    answered[index] += 1
            request = ctx.get(dut.read.request.payload)
            accepted = [
                bool(offer and ctx.get(u.request.ready)) for offer, u in zip(offers, users, strict=True)
            ]
            assert accepted == [bool(offers[0]) and ready, bool(offers[1]) and ready and not offers[0]]
            in_flight.append(None)
            for index in range(2):
                if accepted[index]:
                    assert (request.cell, request.word) == offers[index]
                    in_flight[-1] = rng.getrandbits(params.width)
                    asked[index].append(in_flight[-1])
                    offers[index] = None
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
