# amaranth: UnusedElaboratable=no
"""Packet memory against an accountant: random frames, stalls, errors, exhaustion and recovery."""

import pytest
from opentep.gateware.memory.packet_memory import PacketMemory
from opentep.gateware.params import Params


def params(**changes):
    return Params(**{"width": 64, "access_ports": 2, "fabric_ports": 1, "packet_bytes": 4096, **changes})


def test_only_params():
    with pytest.raises(TypeError, match="params must be Params"):
        PacketMemory(32)


@pytest.mark.parametrize(
    ("speed", "changes"),
    [
        (0.4, {}),
        (0.8, {"width": 32, "access_ports": 1}),
        (1.0, {"width": 512}),
        (0.9, {"packet_bytes": 2048, "access_ports": 1}),
    ],
)
def test_random_traffic(memory_bench, speed, changes):
    config = params(**changes)
    rates = memory_bench.Rates(
        offer=speed, stored=1 - speed / 2, commit=speed, read=1.0, release=1 - speed / 2
    )
    bench = memory_bench(config, 1, rates)
    for port in range(config.ports):
        for _ in range(20):
            words = bench.rng.choice([1, 2, bench.rng.randint(1, config.cell_words * 3)])
            bench.send(port, words, error=bench.chance(0.1))

    async def script(bench):
        await bench.drain()

    bench.run(script)
    assert len(bench.done) == 20 * config.ports
    assert sum(bool(frame.cells) for frame in bench.done) > 5, "hardly any frame was read"


@pytest.mark.parametrize("width", [128, 512])
def test_one_word_and_whole_cells(memory_bench, width):
    config = params(width=width, packet_bytes=16384)
    bench = memory_bench(config, 2)
    cell = config.cell_words
    for port in range(config.ports):
        for words in (1, cell, 2 * cell, cell + 1, 2 * cell - 1, 1, 3 * cell, 1, cell):
            bench.send(port, words)

    async def script(bench):
        await bench.drain()

    bench.run(script)
    for frame in bench.done:
        assert not frame.no_buffer
        assert not frame.cells or len(frame.cells) == -(-len(frame.words) // cell)


def fast(bench_class, **changes):
    return bench_class.Rates(**{"offer": 1, "stored": 1, "commit": 1, "read": 1, "release": 1, **changes})


@pytest.mark.parametrize("words", [1, 2, 3])
def test_one_word_per_clock_from_one_port(memory_bench, words):
    """Even where each word is a frame, and thus takes a cell and gives one back."""
    config = params(width=512)
    bench = memory_bench(config, 3, fast(memory_bench, discard=1))
    for _ in range(240 // words):
        bench.send(1, words)

    async def script(bench):
        while bench.accepted[1] == 0:
            await bench.clocks(1)
        await bench.clocks(239)
        assert bench.accepted[1] == 240
        await bench.drain()

    bench.run(script)
    assert not any(frame.no_buffer for frame in bench.stored)


def test_ports_share_equally_and_a_blocked_one_stops_nobody(memory_bench):
    config = params(width=256)
    bench = memory_bench(config, 4, fast(memory_bench, discard=1))
    bench.paused_ports = {0}
    for port in range(config.ports):
        for _ in range(120):
            bench.send(port, 2)

    async def script(bench):
        await bench.clocks(150)
        assert bench.accepted[0] <= 2 * 8
        before = list(bench.accepted)
        assert abs(before[1] - before[2]) <= 1
        assert before[1] + before[2] > 120
        bench.paused_ports = set()
        await bench.clocks(20)
        before = list(bench.accepted)
        await bench.clocks(60)
        assert [now - then for now, then in zip(bench.accepted, before, strict=True)] == [20, 20, 20]
        await bench.drain()

    bench.run(script)
    assert not any(frame.no_buffer for frame in bench.stored)


def test_exhaustion_by_all_ports_and_recovery(memory_bench):
    """Giants fill memory; what found no room says so, all the rest is whole; afterwards every cell is there."""
    config = params(width=256, packet_bytes=2048)
    bench = memory_bench(config, 5, fast(memory_bench))
    bench.hold = True
    room = config.cells * config.cell_words
    for port in range(config.ports):
        for words in (room // 4, room // 2, 1, 5, room, 1, 1):
            bench.send(port, words)

    async def script(bench):
        await bench.clocks(room * 6)
        assert any(frame.no_buffer and frame.head for frame in bench.stored), "none was cut"
        assert any(frame.no_buffer and not frame.head for frame in bench.stored), "none was turned away whole"
        bench.hold = False
        await bench.drain()
        await whole_memory_is_there(bench)

    bench.run(script)


def test_lasting_overload(memory_bench):
    """More comes than leaves: cells return one by one to ports that wait for one, amid words of the others."""
    config = params(width=256, packet_bytes=2048)
    bench = memory_bench(config, 6, fast(memory_bench, offer=0.7, release=0.2, discard=0.3))
    for port in range(config.ports):
        for _ in range(50):
            bench.send(port, bench.rng.randint(1, 2 * config.cell_words))

    async def script(bench):
        await bench.drain()
        await whole_memory_is_there(bench)

    bench.run(script)


async def whole_memory_is_there(bench):
    """One frame may fill every cell but the null cell and the other ports' reserves; one word more is too much."""
    config = bench.params
    most = (config.cells - config.ports) * config.cell_words
    for words, fits in ((most, True), (most + 1, False), (most, True)):
        bench.stored.clear()
        bench.send(0, words)
        await bench.drain()
        assert [frame.no_buffer for frame in bench.stored] == [not fits]
    bench.send(1, 1)
    await bench.drain()
    assert not bench.stored[-1].no_buffer
