"""The transmitter at GMII: what it sends octet by octet, when its input is in time and when it is not."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.mac.transmitter import Transmitter
from opentep.sim.mac import START, Packet, frame_words, random_lengths, with_fcs

GAP = 12


def transmit(frames, *, every=1, pauses=None, offer=1.0, seed=1):
    """Sends ``frames``, pairs of octets and ``error``.

    ``pauses``: by frame number, before which octet nothing is offered for 30 octet times. ``offer``: probability
    that a frame is there when it could be. Returns packets, gaps between them and the number of underruns.
    """
    dut = Transmitter()
    rng = random.Random(seed)
    pauses = pauses or {}
    line = []
    underruns = 0
    simulator = Simulator(dut)
    simulator.add_clock(8e-9)
    done = False

    async def feed(ctx):
        nonlocal done
        for number, (octets, error) in enumerate(frames):
            while rng.random() >= offer:
                await ctx.tick()
            for offset, word in enumerate(frame_words(octets, 8, error=error)):
                if pauses.get(number) == offset:
                    ctx.set(dut.input.valid, 0)
                    await ctx.tick().repeat(30 * every)
                ctx.set(dut.input.valid, 1)
                ctx.set(dut.input.payload.as_value(), word)
                await ctx.tick().until(dut.input.ready)
            ctx.set(dut.input.valid, 0)
        await ctx.tick().repeat(120 * every)
        done = True

    async def watch(ctx):
        nonlocal underruns
        clock = 0
        while not done:
            clock += 1
            ctx.set(dut.gmii.enable, clock % every == 0)
            sample = await ctx.tick().sample(dut.gmii.valid, dut.gmii.error, dut.gmii.data, dut.underrun)
            if clock % every == 0:
                line.append(sample[2:5])
            underruns += sample[5]

    simulator.add_testbench(feed)
    simulator.add_testbench(watch)
    simulator.run()

    packets, gaps, gap, current = [], [], 0, None
    for valid, error, data in line:
        if valid:
            if current is None:
                gaps.append(gap)
                current = (bytearray(), set())
            if error:
                current[1].add(len(current[0]))
            current[0].append(data)
            gap = 0
        else:
            assert not error
            if current is not None:
                packets.append(Packet(bytes(current[0]), frozenset(current[1])))
                current = None
            gap += 1
    assert current is None
    return packets, gaps[1:], underruns


def wanted(octets):
    return Packet.of(octets.ljust(60, b"\0"))


@pytest.mark.parametrize("every", [1, 2, 10])
def test_back_to_back(every):
    rng = random.Random(every)
    frames = [rng.randbytes(length) for length in (*range(1, 20 if every > 1 else 130), 60, 60, 200)]
    packets, gaps, underruns = transmit([(frame, False) for frame in frames], every=every)
    assert packets == [wanted(frame) for frame in frames]
    assert set(gaps) == {GAP}
    assert not underruns


def test_random_pauses_between_frames():
    rng = random.Random(11)
    frames = [rng.randbytes(length) for length in random_lengths(rng, 60, 150)]
    packets, gaps, underruns = transmit([(frame, False) for frame in frames], offer=0.03)
    assert packets == [wanted(frame) for frame in frames]
    assert min(gaps) == GAP and max(gaps) > GAP
    assert not underruns


def is_spoilt(packet):
    assert packet.errors
    assert packet.octets.startswith(START)
    body = packet.octets[len(START) :]
    return with_fcs(body[:-4]) != body


def test_frames_with_error_are_spoilt():
    rng = random.Random(12)
    frames = [(rng.randbytes(length), bool(rng.randrange(2))) for length in random_lengths(rng, 80, 150)]
    packets, gaps, underruns = transmit(frames)
    assert set(gaps) == {GAP} and not underruns
    for packet, (octets, error) in zip(packets, frames, strict=True):
        if error:
            assert is_spoilt(packet)
            assert packet.octets[8:].startswith(octets)
        else:
            assert packet == wanted(octets)


def test_underrun_at_every_octet():
    rng = random.Random(13)
    length = 70
    frames, pauses = [], {}
    for offset in range(1, length):
        pauses[len(frames)] = offset
        frames += [rng.randbytes(length), rng.randbytes(60)]
    packets, gaps, underruns = transmit([(frame, False) for frame in frames], pauses=pauses)
    assert underruns == len(pauses)
    assert min(gaps) >= GAP
    for number, (packet, octets) in enumerate(zip(packets, frames, strict=True)):
        if number in pauses:
            assert is_spoilt(packet)
            assert packet.octets[8:].startswith(octets[: pauses[number]])
        else:
            assert packet == wanted(octets)
