# amaranth: UnusedElaboratable=no
"""Round-robin choice and stream arbiter against random stalls."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.arbiter import RoundRobin, StreamArbiter


@pytest.mark.parametrize("count", [0, -1, "2"])
def test_bad_count(count):
    with pytest.raises(ValueError, match="count must be a positive integer"):
        RoundRobin(count)
    with pytest.raises(ValueError, match="count must be a positive integer"):
        StreamArbiter(8, count)


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_round_robin_follows_reference(count):
    dut = RoundRobin(count)
    rng = random.Random(count)

    async def bench(ctx):
        last = count - 1
        for _ in range(500):
            requests = rng.getrandbits(count)
            accept = rng.random() < 0.6
            ctx.set(dut.requests, requests)
            ctx.set(dut.accept, accept and requests != 0)
            order = [(last + 1 + k) % count for k in range(count)]
            expected = next((k for k in order if requests >> k & 1), None)
            assert ctx.get(dut.valid) == (expected is not None)
            assert ctx.get(dut.grant) == (0 if expected is None else 1 << expected)
            if expected is not None:
                assert ctx.get(dut.index) == expected
                if accept:
                    last = expected
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def run_arbiter(dut, clocks, offer, accept):
    """Drive ``dut``: ``offer(clock, number)`` and ``accept(clock)`` say who moves. Returns all transfers."""
    transfers = []

    async def bench(ctx):
        sent = [0] * dut.count
        valid = [False] * dut.count
        stalled = None
        for clock in range(clocks):
            for number, channel in enumerate(dut.inputs):
                valid[number] = valid[number] or offer(clock, number)
                ctx.set(channel.valid, valid[number])
                ctx.set(channel.payload, (number << 12 | sent[number]) if valid[number] else 0xDEAD)
            ready = accept(clock)
            ctx.set(dut.output.ready, ready)
            out_valid = ctx.get(dut.output.valid)
            now = (
                (ctx.get(dut.output.payload.source), ctx.get(dut.output.payload.data)) if out_valid else None
            )
            if stalled is not None:
                assert now == stalled, "valid or payload changed while stalled"
            stalled = now if now is not None and not ready else None
            if now is not None and ready:
                transfers.append((clock, *now))
            readies = [ctx.get(channel.ready) for channel in dut.inputs]
            await ctx.tick()
            for number in range(dut.count):
                if valid[number] and readies[number]:
                    sent[number] += 1
                    valid[number] = False

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return transfers


@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("load", [0.1, 0.5, 1.0])
def test_stream_order_and_stability(registered, count, load):
    dut = StreamArbiter(16, count, registered=registered)
    rng = random.Random(count)
    transfers = run_arbiter(dut, 600, lambda *_: rng.random() < load, lambda _: rng.random() < 0.7)
    for number in range(count):
        mine = [payload for _, source, payload in transfers if source == number]
        assert mine == [number << 12 | k for k in range(len(mine))]
        assert mine


@pytest.mark.parametrize("registered", [False, True])
def test_full_rate_and_equal_shares(registered):
    count = 4
    dut = StreamArbiter(16, count, registered=registered)
    transfers = run_arbiter(dut, 200, lambda *_: True, lambda _: True)
    assert len(transfers) == 200 - registered
    sources = [source for _, source, _ in transfers]
    assert all(sources[k] == (sources[0] + k) % count for k in range(len(sources)))


@pytest.mark.parametrize("registered", [False, True])
def test_lone_input_has_full_rate(registered):
    dut = StreamArbiter(16, 4, registered=registered)
    transfers = run_arbiter(dut, 100, lambda _, number: number == 2, lambda _: True)
    assert len(transfers) == 100 - registered
