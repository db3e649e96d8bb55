# amaranth: UnusedElaboratable=no
"""The transmitter at XGMII: what it sends lane by lane, when its input is in time and when it is not."""

import itertools
import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.mac.frame import GAP
from opentep.gateware.mac.xgmii_transmitter import XgmiiTransmitter
from opentep.gateware.phy.xgmii import LANES, Control
from opentep.sim.mac import START, Packet, frame_words, random_lengths, with_fcs
from opentep.sim.xgmii import packets_on

WIDTH = 8 * LANES


def transmit(frames, *, pauses=None, offer=1.0, seed=1):
    """Sends ``frames``, pairs of octets and ``error``.

    ``pauses``: by frame number, before which word nothing is offered for 30 clocks. ``offer``: probability that a
    frame is there when it could be. Returns packets, gaps between them, the lane each begins in and the number of
    underruns.
    """
    dut = XgmiiTransmitter()
    rng = random.Random(seed)
    pauses = pauses or {}
    words = []
    underruns = 0
    simulator = Simulator(dut)
    simulator.add_clock(6.4e-9)
    done = False

    async def feed(ctx):
        nonlocal done
        for number, (octets, error) in enumerate(frames):
            while rng.random() >= offer:
                await ctx.tick()
            for offset, word in enumerate(frame_words(octets, WIDTH, error=error)):
                if pauses.get(number) == offset:
                    ctx.set(dut.input.valid, 0)
                    await ctx.tick().repeat(30)
                ctx.set(dut.input.valid, 1)
                ctx.set(dut.input.payload.as_value(), word)
                await ctx.tick().until(dut.input.ready)
            ctx.set(dut.input.valid, 0)
        await ctx.tick().repeat(30)
        done = True

    async def watch(ctx):
        nonlocal underruns
        while not done:
            _, _, lanes, control, underrun = await ctx.tick().sample(
                dut.xgmii.data, dut.xgmii.control, dut.underrun
            )
            words.append((lanes.as_bits(), control))
            underruns += underrun

    simulator.add_testbench(feed)
    simulator.add_testbench(watch)
    simulator.run()
    packets, gaps, begins = packets_on(words)
    return packets, gaps[1:], begins, underruns


def wanted(octets):
    return Packet.of(octets.ljust(60, b"\0"))


def check_gaps(packets, gaps):
    """What deficit idle count makes of frames that follow each other at once: 12 octets on average, none short of it
    by more than three, no matter where one looks."""
    total = 0
    for packet, gap in zip(packets, gaps, strict=False):
        assert (len(packet.octets) + gap) % 4 == 0
        total += gap - GAP
        assert -3 <= total <= 0, "not the least gap that keeps the deficit"


def test_back_to_back_at_every_length():
    rng = random.Random(1)
    frames = [rng.randbytes(length) for length in (*range(1, 130), 60, 60, 200)]
    packets, gaps, begins, underruns = transmit([(frame, False) for frame in frames])
    assert packets == [wanted(frame) for frame in frames]
    assert set(begins) == {0, 4}
    check_gaps(packets, gaps)
    assert not underruns


@pytest.mark.parametrize("length", range(60, 68))
def test_the_average_gap_of_one_length(length):
    """Also where every frame ends in the same lane of its column."""
    packets, gaps, _, _ = transmit([(bytes(length), False)] * 41)
    check_gaps(packets, gaps)
    assert sum(gaps) == GAP * len(gaps)


def test_random_lengths_back_to_back():
    rng = random.Random(2)
    frames = [rng.randbytes(length) for length in random_lengths(rng, 300, 200)]
    packets, gaps, _, underruns = transmit([(frame, False) for frame in frames])
    assert packets == [wanted(frame) for frame in frames]
    check_gaps(packets, gaps)
    assert set(gaps) == set(range(9, 16))
    assert not underruns


def test_random_pauses_between_frames():
    rng = random.Random(11)
    frames = [rng.randbytes(length) for length in random_lengths(rng, 200, 150)]
    packets, gaps, _, underruns = transmit([(frame, False) for frame in frames], offer=0.1)
    assert packets == [wanted(frame) for frame in frames]
    deficit = 0
    for gap in gaps:
        deficit = max(0, deficit + GAP - gap)
        assert deficit <= 3
    assert max(gaps) > 30
    assert not underruns


def is_spoilt(packet):
    end = len(packet.octets)
    body = packet.octets[len(START) :]
    return (
        packet.errors == frozenset(range(end - 4, end))
        and packet.octets.startswith(START)
        and body[-4:] == bytes((Control.ERROR,)) * 4
        and with_fcs(body[:-4]) != body
    )


def test_frames_with_error_are_spoilt():
    rng = random.Random(12)
    frames = [(rng.randbytes(length), bool(rng.randrange(2))) for length in random_lengths(rng, 150, 150)]
    packets, gaps, _, underruns = transmit(frames)
    check_gaps(packets, gaps)
    assert not underruns
    for packet, (octets, error) in zip(packets, frames, strict=True):
        if error:
            assert is_spoilt(packet)
            assert packet.octets[8:-4] == octets.ljust(60, b"\0")
        else:
            assert packet == wanted(octets)


def test_underrun_before_every_word():
    rng = random.Random(13)
    frames, pauses = [], {}
    for length, offset in itertools.product((70, 100, 104), range(1, 13)):
        if offset * LANES < length:
            pauses[len(frames)] = offset
        frames += [rng.randbytes(length), rng.randbytes(60)]
    packets, gaps, _, underruns = transmit([(frame, False) for frame in frames], pauses=pauses)
    assert underruns == len(pauses)
    assert min(gaps) >= 9
    for number, (packet, octets) in enumerate(zip(packets, frames, strict=True)):
        if number in pauses:
            assert is_spoilt(packet)
            assert packet.octets[8:-4] == octets[: LANES * pauses[number]]
        else:
            assert packet == wanted(octets)


def test_latency():
    """As the docstring has it: in the eleventh clock from the one in which the first word is offered."""
    dut = XgmiiTransmitter()
    simulator = Simulator(dut)
    simulator.add_clock(6.4e-9)

    async def bench(ctx):
        await ctx.tick().repeat(5)
        ctx.set(dut.input.valid, 1)
        ctx.set(dut.input.payload.as_value(), frame_words(bytes(range(100)), WIDTH)[0])
        await ctx.tick()
        assert ctx.get(dut.input.ready)
        await ctx.tick().repeat(10)
        assert ctx.get(dut.xgmii.data).as_bits() == int.from_bytes(bytes(range(8)), "little")

    simulator.add_testbench(bench)
    simulator.run()
