"""Decisions meet the ends of their own frames, whatever comes first, and each frame gets one verdict."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator
from opentep.gateware.headers import (
    ACCESS_DECISION_DROPS,
    ACCESS_PARSER_DROPS,
    FABRIC_DECISION_DROPS,
    FABRIC_PARSER_DROPS,
    Control,
    Drop,
    Edit,
)
from opentep.gateware.hostport.format import Reason
from opentep.gateware.lookup.join import UNDER_WAY, Join
from opentep.gateware.params import Params

COUNT = 200
ANY_DECISION_DROPS = (*ACCESS_DECISION_DROPS, *FABRIC_DECISION_DROPS)


@pytest.mark.parametrize(
    "ports, width", [((1, 1), 32), ((3, 2), 32), ((1, 1), 256)], ids=["1+1", "3+2", "1+1 wide"]
)
@pytest.mark.parametrize("decide, end, take", [(1, 1, 1), (1, 0.05, 1), (0.05, 1, 0.5), (0.4, 0.4, 0.2)])
def test_join(ports, width, decide, end, take):
    params = Params(access_ports=ports[0], fabric_ports=ports[1], width=width)
    rng = random.Random(1)
    dut = Join(params)
    admitted = [0] * params.ports
    decided = [0] * params.ports
    ended = [0] * params.ports
    judged = [0] * params.ports
    verdicts_at = []
    learned = deque()

    drops = [rng.choice((Drop.NONE, Drop.NONE, *ANY_DECISION_DROPS)) for _ in range(COUNT)]

    def decision(number):
        return {
            "drop": drops[number],
            "ports": 1,
            "edit": Edit.RETAG,
            "target": number,
            "learn": number % 3 == 0,
            "mac": number,
        }

    def told_by_parser(port, number):
        if number % 5 != 4:
            return Drop.NONE, Control.NONE
        if not params.is_fabric(port):
            return ACCESS_PARSER_DROPS[number // 5 % len(ACCESS_PARSER_DROPS)], Control.NONE
        drop = FABRIC_PARSER_DROPS[number // 5 % len(FABRIC_PARSER_DROPS)]
        return drop, Control.DISCOVERY if drop == Drop.NOT_MINE and number % 2 else Control.NONE

    def expected_drop(told, number):
        """The parser's counts, but for one of a tunnel's frame if nobody knows the tunnel."""
        of_tunnel = told not in (Drop.RX_ERROR, Drop.NOT_MINE)
        if told == Drop.NONE or (of_tunnel and drops[number] == Drop.UNKNOWN_TEP):
            return drops[number]
        return told

    async def bench(ctx):
        clock = 0
        announced = None
        offered = [False] * params.ports
        to_decide = deque()
        full_seen = [False] * params.ports
        interest = {name: rng.getrandbits(32) for name in ("always", "sampled")}
        ctx.set(dut.interest, interest | {"ports": -1})
        while sum(judged) < COUNT * params.ports:
            clock += 1
            assert clock < 400 * COUNT
            # Admission respects the room that was there when it chose, and chooses every other clock.
            strobes = 0
            if clock % 2:
                room = ctx.get(dut.room)
                able = [p for p in range(params.ports) if room >> p & 1 and admitted[p] < COUNT]
                for p in range(params.ports):
                    full_seen[p] |= not room >> p & 1
                    assert admitted[p] - ended[p] <= UNDER_WAY
                if able:
                    port = rng.choice(able)
                    to_decide.append((port, admitted[port]))
                    admitted[port] += 1
                    strobes = 1 << port
            ctx.set(dut.admitted, strobes)
            # The decision comes in the clock behind its announcement.
            ctx.set(dut.decision.valid, announced is not None)
            if announced:
                ctx.set(dut.decision.port, announced[0])
                ctx.set(dut.decision.decision, decision(announced[1]))
                decided[announced[0]] += 1
            announced = to_decide.popleft() if to_decide and rng.random() < decide else None
            ctx.set(dut.coming.valid, announced is not None)
            if announced:
                ctx.set(dut.coming.port, announced[0])
            # Frames end in any order relative to their decisions.
            for port, frames in enumerate(dut.frames):
                if not offered[port] and ended[port] < COUNT and rng.random() < end:
                    offered[port] = True
                    drop, control = told_by_parser(port, ended[port])
                    ctx.set(
                        frames.payload,
                        {
                            "header": {"drop": drop, "control": control, "end": ended[port]},
                            "stored": {"head": ended[port] % params.cells},
                        },
                    )
                ctx.set(frames.valid, offered[port])
            for port, frames in enumerate(dut.frames):
                if ctx.get(frames.ready):
                    assert offered[port] and decided[port] > ended[port]
                    offered[port] = False
                    ended[port] += 1
            ready = rng.random() < take
            ctx.set(dut.verdict.ready, ready)
            if ctx.get(dut.learn.valid):
                learned.append((ctx.get(dut.learn.payload.entry.port), ctx.get(dut.learn.payload.mac)))
            if ready and ctx.get(dut.verdict.valid):
                verdict = ctx.get(dut.verdict.payload)
                port, number = verdict.port, judged[verdict.port]
                drop, control = told_by_parser(port, number)
                bad = drop != Drop.NONE
                assert verdict.descriptor.target == number == verdict.descriptor.end
                assert verdict.descriptor.head == number % params.cells
                assert verdict.drop == expected_drop(drop, number)
                reason = Reason.DISCOVERY if control == Control.DISCOVERY else verdict.drop
                wishes = {name: mask >> reason.value & 1 for name, mask in interest.items()}
                assert (verdict.wish.always, verdict.wish.sampled) == tuple(wishes.values())
                if number % 3 == 0 and not bad:
                    # What came from the fabric has its TEP, whatever the port.
                    assert learned.popleft() == (min(port, params.access_ports), number)
                judged[port] += 1
                verdicts_at.append(clock)
            await ctx.tick()
        ctx.set(dut.coming.valid, 0)
        ctx.set(dut.decision.valid, 0)
        assert not learned
        assert not ctx.get(dut.busy)
        if end < decide:
            assert all(full_seen)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert judged == [COUNT] * params.ports
    if decide == end == take == 1:
        clocks = 2 if width > 128 else 3
        assert verdicts_at[-1] - verdicts_at[0] <= clocks * COUNT * params.ports + 20
