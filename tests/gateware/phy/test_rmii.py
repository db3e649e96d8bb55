"""RMII against a PHY in Python, written from section 5 of the specification."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator
from opentep.gateware.mac.receiver import Receiver
from opentep.gateware.phy.gmii import Speed
from opentep.gateware.phy.rmii import RmiiReceive, RmiiTransmit
from opentep.sim.mac import START, Packet

IDLE = (0, 0, 0)


def pairs_of(octets):
    return [octet >> shift & 3 for octet in octets for shift in (0, 2, 4, 6)]


def on_pins(packet, *, silence=0, lost=0, late=0):
    """(CRS_DV, RX_ER, RXD) of a packet, pair by pair: carrier without data for ``silence`` pairs, ``lost`` pairs of
    preamble not there, and the carrier's end ``late`` nibbles before that of the data."""
    pairs = pairs_of(packet.octets)
    errors = [at // 4 in packet.errors and at % 4 == 1 for at in range(len(pairs))]
    end = len(pairs) - 2 * late
    valid = [at < end or at % 2 for at in range(len(pairs))]
    return [(1, 0, 0)] * silence + [
        (int(is_valid), int(error), pair) for is_valid, error, pair in zip(valid, errors, pairs, strict=True)
    ][lost:]


def receive(pairs, *, clocks=1, phase=0, speed=Speed.MBIT_100):
    """Octets that come out, as (valid, error, data)."""
    dut = RmiiReceive()
    octets = []
    simulator = Simulator(dut)
    simulator.add_clock(20e-9)

    async def bench(ctx):
        ctx.set(dut.speed, speed)
        await ctx.tick().repeat(40 + phase)
        for crs_dv, error, data in [*pairs, *[IDLE] * 8]:
            for clock in range(clocks):
                ctx.set(dut.pins.crs_dv, crs_dv)
                ctx.set(dut.pins.error, error if clock == clocks // 3 else 0)
                ctx.set(dut.pins.data, data)
                await ctx.tick()
                if ctx.get(dut.rx.enable):
                    octets.append(tuple(int(ctx.get(getattr(dut.rx, n))) for n in ("valid", "error", "data")))

    simulator.add_testbench(bench)
    simulator.run()
    return octets


def packets_of(octets):
    found, current = [], None
    for valid, error, data in octets:
        if valid:
            current = current or ([], set())
            if error:
                current[1].add(len(current[0]))
            current[0].append(data)
        elif current:
            found.append(Packet(bytes(current[0]), frozenset(current[1])))
            current = None
    return found


def behind_the_preamble(packet):
    """Octets and errors behind the SFD; before it there must be nothing but preamble."""
    begin = packet.octets.index(START[-1]) + 1
    assert not packet.octets[: begin - 1].strip(START[:1])
    return packet.octets[begin:], {error - begin for error in packet.errors if error >= begin}


SPEEDS = [(Speed.MBIT_100, 1, 60), (Speed.MBIT_10, 10, 8)]


@pytest.mark.parametrize("speed, clocks, count", SPEEDS, ids=["100", "10"])
@pytest.mark.parametrize("seed", range(3))
def test_receive(speed, clocks, count, seed):
    """Any silence before the preamble, any loss of it, any end of the carrier, and gaps of any length."""
    rng = random.Random(seed)
    pairs, sent = [], []
    for _ in range(count):
        octets = START + rng.randbytes(rng.choice((1, 2, 60, 64)))
        errors = frozenset(rng.sample(range(8, len(octets)), rng.choice((0, 0, 1))))
        packet = Packet(octets, errors)
        late = min(rng.choice((0, 0, 1, 2, 6)), 2 * (len(octets) - len(START)))
        sent.append(behind_the_preamble(packet))
        pairs += [IDLE] * rng.choice((2, 3, 4, 48))
        pairs += on_pins(packet, silence=rng.randrange(9), lost=rng.randrange(30), late=late)
    phase = rng.randrange(10)
    got = packets_of(receive(pairs, clocks=clocks, phase=phase, speed=speed))
    assert [behind_the_preamble(packet) for packet in got] == sent


def test_false_carrier_is_no_frame():
    pairs = [IDLE] * 4 + [(1, 0, 0)] * 3 + [(1, 1, 0b10)] * 40 + [IDLE] * 4
    packet = Packet.of(bytes(60))
    got = packets_of(receive(pairs + on_pins(packet)))
    assert all(START[-1] not in one.octets for one in got[:-1])
    assert got[-1] == packet


def test_carrier_without_data_is_no_packet():
    assert packets_of(receive([IDLE] * 4 + [(1, 0, 0)] * 99 + [IDLE] * 4)) == []


def test_idle_octets_come_between_packets():
    """The MAC's receiver wants to see a gap before its first packet."""
    octets = receive([IDLE] * 40)
    assert len(octets) >= 10 and not any(valid for valid, _, _ in octets)


def test_after_a_reset_the_rest_of_a_packet_is_not_taken():
    inner = Packet.of(bytes(range(60)))
    top = Module()
    top.submodules.dut = dut = RmiiReceive()
    top.submodules.mac = mac = Receiver()
    connect(top, dut.rx, mac.gmii)
    simulator = Simulator(top)
    simulator.add_clock(20e-9)
    ends = []

    async def bench(ctx):
        for crs_dv, _, data in (
            on_pins(Packet(bytes(9) + inner.octets)) + [IDLE] * 9 + on_pins(inner) + [IDLE] * 9
        ):
            ctx.set(dut.pins.crs_dv, crs_dv)
            ctx.set(dut.pins.data, data)
            await ctx.tick()
            if ctx.get(mac.output.valid) and ctx.get(mac.output.payload.last):
                ends.append(ctx.get(mac.output.payload.error))

    simulator.add_testbench(bench)
    simulator.run()
    assert ends == [0]


def test_noise_does_not_wedge():
    rng = random.Random(9)
    noise = [(int(rng.random() < 0.8), rng.getrandbits(1), rng.randrange(4)) for _ in range(3000)]
    packet = Packet.of(bytes(range(60)))
    assert packets_of(receive(noise + [IDLE] * 4 + on_pins(packet)))[-1] == packet


@pytest.mark.parametrize("speed, clocks, count", SPEEDS, ids=["100", "10"])
@pytest.mark.parametrize("seed", range(2))
def test_transmit(speed, clocks, count, seed):
    rng = random.Random(seed)
    packets = [START + rng.randbytes(rng.choice((1, 4, 60, 64))) for _ in range(count)]
    gaps = [rng.choice((1, 2, 12)) for _ in packets]
    octets = []
    for packet, gap in zip(packets, gaps, strict=True):
        octets += [None] * gap + list(packet)
    octets += [None] * 2
    dut = RmiiTransmit()
    line = []
    simulator = Simulator(dut)
    simulator.add_clock(20e-9)

    async def feed(ctx):
        ctx.set(dut.speed, speed)
        for octet in octets:
            ctx.set(dut.tx.valid, octet is not None)
            ctx.set(dut.tx.data, octet or 0)
            await ctx.tick().until(dut.tx.enable)
        await ctx.tick().repeat(8 * clocks)

    async def watch(ctx):
        async for _, _, valid, data in ctx.tick().sample(dut.pins.valid, dut.pins.data):
            line.append((valid, int(data)))

    simulator.add_testbench(feed)
    simulator.add_testbench(watch, background=True)
    simulator.run()

    # The PHY begins to count with TX_EN, and looks anywhere into the times of the pairs.
    found, times = [], []
    at = 0
    while at < len(line):
        if not line[at][0]:
            at += 1
            continue
        begin = at
        at += rng.randrange(clocks)
        pairs = []
        while line[at][0]:
            pairs.append(line[at][1])
            at += clocks
        times.append((begin, len(pairs)))
        found.append(pairs)
    assert found == [pairs_of(packet) for packet in packets]
    for gap, (before, length), (after, _) in zip(gaps[1:], times, times[1:], strict=False):
        assert after - before == (length + 4 * gap) * clocks
