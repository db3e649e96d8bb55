# amaranth: UnusedElaboratable=no
"""The ingress queue: what it passes, marks, cuts and drops."""

import random

import pytest
from opentep.gateware.ingress.queue import IngressQueue
from opentep.gateware.params import Params

WIDTHS = (32, 64, 512)
MAX_FRAME = 1520


def marked(frame, max_frame: int = MAX_FRAME):
    """What an unhurried queue makes of a frame."""
    octets = frame.octets[:max_frame]
    return octets, frame.error if len(octets) == len(frame.octets) and len(octets) >= 60 else True


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("max_frame", [1518, 1536])
def test_marks_runts_and_cuts_giants(bench, width, max_frame):
    rng = random.Random(width)
    near = range(max_frame - 2, max_frame + 3) if width == 32 else range(max_frame - 5, max_frame + 6)
    sizes = [1, 4, 5, *range(50, 70), *near, max_frame + 200, 60, 1, 3000, 64]
    frames = [bench.Frame(rng.randbytes(size), rng.random() < 0.2) for size in sizes]
    outcome = bench.run(IngressQueue(Params(width=width, max_frame=max_frame)), frames)
    assert [(f.octets, f.error) for f in outcome.frames] == [marked(f, max_frame) for f in frames]
    assert not outcome.dropped


@pytest.mark.parametrize("width", WIDTHS)
def test_two_clocks_when_empty(bench, width):
    rng = random.Random(5)
    frames = [bench.Frame(rng.randbytes(size)) for size in (64, 1, 100, 3, 1520)]
    outcome = bench.run(IngressQueue(Params(width=width, max_frame=MAX_FRAME)), frames)
    assert outcome.last_at == [clock + 2 for clock in outcome.taken_at]


def dropped_whole(sent, got, words_of_frame: int) -> int:
    """Match what left, be it cut, to what entered, by the frames' numbers; returns how many left not at all."""
    dropped, position = 0, 0
    for frame in got:
        while not sent[position].octets.startswith(frame.octets[:4]) or len(sent[position].octets) < len(
            frame.octets
        ):
            position, dropped = position + 1, dropped + 1
        whole = sent[position]
        if len(frame.octets) == len(whole.octets):
            assert (frame.octets, frame.error) == marked(whole)
        else:
            assert frame.error and whole.octets.startswith(frame.octets)
            assert len(frame.octets) % words_of_frame == 0
        position += 1
    return dropped + len(sent) - position


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("stall", [0.2, 0.6, 0.95])
def test_overrun_loses_marked_or_whole_frames_only(bench, width, stall):
    rng = random.Random(7)
    frames = []
    for number in range(40):
        size = rng.choice([4, 5, 60, 61, 64, rng.randrange(4, 300), 64 * width // 32])
        frames.append(bench.Frame(number.to_bytes(4, "big") + rng.randbytes(size - 4), rng.random() < 0.1))
    outcome = bench.run(IngressQueue(Params(width=width, max_frame=MAX_FRAME)), frames, stall=stall)
    assert dropped_whole(frames, outcome.frames, width // 8) == outcome.dropped
    assert outcome.dropped or stall < 0.5


@pytest.mark.parametrize("width", WIDTHS)
def test_recovers_from_a_blocked_output(bench, width):
    """Nothing is taken for a long time: everything is lost but what fits; then all is well again."""
    rng = random.Random(9)
    frames = [bench.Frame(number.to_bytes(4, "big") + rng.randbytes(196)) for number in range(60)]
    words = -(-200 * 8 // width)
    dut = IngressQueue(Params(width=width, max_frame=MAX_FRAME))
    blocked = 50 * words
    outcome = bench.run(dut, frames, output_until=blocked)
    assert dropped_whole(frames, outcome.frames, width // 8) == outcome.dropped
    assert outcome.dropped >= 50 - 2 - dut.depth // words
    assert [frame.octets for frame in outcome.frames[-8:]] == [frame.octets for frame in frames[-8:]]
    assert not any(frame.error for frame in outcome.frames[-8:])


@pytest.mark.parametrize("depth", [0, 3, 7.5])
def test_refuses_depth(depth):
    with pytest.raises(ValueError, match="depth must be"):
        IngressQueue(Params(), depth=depth)
