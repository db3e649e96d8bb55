"""A whole egress port: every edit, every alignment, many lengths, with and without stalls."""

import random
from dataclasses import replace

import pytest
from opentep.gateware.headers import GroupAddress

ACCESS, FABRIC = 0, 1
STALLS = {"grant": 0.6, "take": 0.7, "offer": 0.2}
START = {
    "stored as it came": 0,
    "behind an outer header": 54,
    "behind extension headers": 78,
}


def plain(kit, rng, port, config, count):
    """Frames of every length from 60 to 300 in the end, at every alignment."""
    access = (kit.Edit.RETAG, kit.Edit.DECAP, kit.Edit.DECAP_IPV4, kit.Edit.DECAP_IPV6)
    fabric = (kit.Edit.ENCAP, kit.Edit.ENCAP, kit.Edit.ENCAP, kit.Edit.ECHO_REPLY, kit.Edit.ADVERT)
    for number in range(count):
        start = rng.choice((*START.values(), rng.randrange(68)))
        length = 60 + (number * 241 // count + rng.randrange(8)) % 241
        yield kit.frame(rng, rng.choice(access if port == ACCESS else fabric), start, length, config)


@pytest.mark.parametrize("stalls", (False, True))
@pytest.mark.parametrize("port", (ACCESS, FABRIC))
@pytest.mark.parametrize(
    ("width", "count"),
    (
        (32, 40),
        (64, 50),
        pytest.param(128, 60, marks=pytest.mark.long),
        pytest.param(256, 40, marks=pytest.mark.long),
        (512, 60),
    ),
)
def test_edits(kit, width, count, port, stalls):
    rng = random.Random(width + port)
    modes = kit.modes(kit.Params())
    config = kit.Config(outers=kit.outers(rng, kit.Params(), modes), modes=modes, sids=frozenset((0, 1)))
    bench = kit.Bench(kit.Params(width=width), port, config, seed=width, **(STALLS if stalls else {}))
    bench.run(list(plain(kit, rng, port, config, count)))


@pytest.mark.parametrize("port", (ACCESS, FABRIC))
def test_parties_without_counters(kit, port):
    """Of TEPs and tenants only the first 16 are counted."""
    rng = random.Random(7)
    params = kit.Params(counted_teps=16, counted_tenants=16)
    config = kit.Config(outers=kit.outers(rng, params))
    frames = list(plain(kit, rng, port, config, 30))
    frames = [replace(frame, tenant=rng.choice((3, 15, 16, 1023))) for frame in frames]
    told = kit.Bench(params, port, config).run(frames).told
    assert told and len(told) < len(frames)


@pytest.mark.parametrize("port", (ACCESS, FABRIC))
@pytest.mark.parametrize("width", (32, 128))
def test_large_and_smallest(kit, width, port):
    rng = random.Random(width)
    config = kit.Config(outers=kit.outers(rng, kit.Params()))
    bench = kit.Bench(kit.Params(width=width), port, config, grant=0.9)
    edit = kit.Edit.DECAP if port == ACCESS else kit.Edit.ENCAP
    lengths = (
        1514,
        14,
        15,
        1522,
        18,
        17,
        16,
        2 * 128 - 54,
        2 * 128 - 53,
        2 * 128 - 55,
        9018 if width > 32 else 3000,
    )
    bench.run([kit.frame(rng, edit, 54, length, config, tagged=int(length > 17)) for length in lengths])


@pytest.mark.parametrize("width", (32, 64))
@pytest.mark.parametrize("port", (ACCESS, FABRIC))
def test_rate_and_latency(kit, width, port):
    """Figures of the docstring: at most 3 idle clocks per frame, 5 if it is restored; the first word after 8 or 9."""
    rng = random.Random(5)
    modes = kit.modes(kit.Params())
    config = kit.Config(outers=kit.outers(rng, kit.Params(), modes), modes=modes)
    edits = (kit.Edit.RETAG, kit.Edit.DECAP) if port == ACCESS else (kit.Edit.ENCAP,)
    lengths = [60, 60, 60, *range(60, 76), 120, 127, 128, 129, 300, 60, 60]
    frames = [
        kit.frame(rng, edit, 54 if edit == kit.Edit.DECAP else 0, length, config)
        for length in lengths
        for edit in edits
    ]
    bench = kit.Bench(kit.Params(width=width), port, config)
    run = bench.run(frames)
    assert run.words[0][0] - run.enqueued[0] <= (8 if port == ACCESS else 9)
    for sent, before, words in zip(frames[1:], run.words, run.words[1:], strict=False):
        idle = 3 if sent.group == GroupAddress.NONE else 5
        assert words[-1] - before[-1] <= len(words) + idle


@pytest.mark.parametrize("port", (ACCESS, FABRIC))
def test_queue_is_as_deep_as_it_says(kit, port):
    rng = random.Random(3)
    params = kit.Params(queue_depth=16)
    config = kit.Config(outers=kit.outers(rng, params))
    edit = kit.Edit.RETAG if port == ACCESS else kit.Edit.ENCAP
    bench = kit.Bench(params, port, config, take=0.3, grant=0.9)
    bench.run([kit.frame(rng, edit, 0, 60, config) for _ in range(32)])
