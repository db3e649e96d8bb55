"""The UART bit by bit."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.hostlink.uart import UartReceiver, UartTransmitter, divisor_for

DIVISOR = 12


def levels(octet, *, stop=1):
    return [0, *(octet >> k & 1 for k in range(8)), stop]


def receive(waveform, *, ready=1, divisor=DIVISOR):
    """What the receiver makes of a line, one level per clock: (octets, overruns)."""
    dut = UartReceiver(divisor)
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    octets, overruns = [], []

    async def testbench(ctx):
        ctx.set(dut.octets.ready, ready)
        for level in [1] * 30 + list(waveform) + [1] * 12 * divisor:
            ctx.set(dut.pin, level)
            _, _, valid, octet, overrun = await ctx.tick().sample(
                dut.octets.valid, dut.octets.payload, dut.overrun
            )
            if valid and (ready or not octets):
                octets.append(octet)
            overruns.append(overrun)

    sim.add_testbench(testbench)
    sim.run()
    return octets, sum(overruns)


def stretched(bits, clocks_per_bit):
    """One level per clock for bits of any length."""
    return [bits[int(t / clocks_per_bit)] for t in range(int(len(bits) * clocks_per_bit))]


@pytest.mark.parametrize("error", [-0.03, -0.02, 0.0, 0.02, 0.03])
def test_rates(error):
    rng = random.Random(1)
    octets = [0, 255, 0x55, 0xAA, *rng.randbytes(6)]
    bits = [level for octet in octets for level in levels(octet)]
    assert receive(stretched(bits, 42 / (1 + error)), divisor=42) == (octets, 0)


def test_a_spike_in_any_bit_does_no_harm():
    clean = stretched(levels(0x35), DIVISOR)
    for at in range(2 * DIVISOR, len(clean), 5):
        wave = list(clean)
        wave[at] ^= 1
        assert receive(wave)[0] == [0x35]


def test_a_spike_is_no_start_bit():
    assert receive([0] + [1] * 40 + stretched(levels(0x12), DIVISOR)) == ([0x12], 0)


def test_octets_without_stop_bit_are_discarded():
    wave = stretched(levels(0x77, stop=0) + [0] * 30 + [1] + levels(0x12), DIVISOR)
    assert receive(wave) == ([0x12], 0)


def test_overrun_is_told_and_keeps_the_first():
    wave = stretched(levels(0x11) + levels(0x22) + levels(0x33), DIVISOR)
    assert receive(wave, ready=0) == ([0x11], 2)


def test_transmitter_leaves_no_gap():
    dut = UartTransmitter(DIVISOR)
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    octets = [0x00, 0xFF, 0x5A, 0x01]
    wave = []

    async def feed(ctx):
        for octet in octets:
            ctx.set(dut.octets.payload, octet)
            ctx.set(dut.octets.valid, 1)
            await ctx.tick().until(dut.octets.ready)
        ctx.set(dut.octets.valid, 0)

    async def watch(ctx):
        for _ in range(45 * DIVISOR):
            wave.append((await ctx.tick().sample(dut.pin))[2])

    sim.add_testbench(feed)
    sim.add_testbench(watch)
    sim.run()
    start = wave.index(0)
    expected = stretched([level for octet in octets for level in levels(octet)], DIVISOR)
    assert wave[start : start + len(expected)] == expected
    assert all(wave[start + len(expected) :])


def test_rates_that_the_clock_cannot_make():
    assert divisor_for(125_000_000, 3_000_000) == 42
    assert divisor_for(156_250_000, 3_000_000) == 52
    for clock, baud in ((10_000_000, 3_000_000), (26_000_000, 3_100_000)):
        with pytest.raises(ValueError, match="baud cannot be made"):
            divisor_for(clock, baud)
