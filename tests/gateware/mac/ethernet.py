"""cocotb module: the whole MAC against partners of cocotbext-eth, its three clocks apart."""

import itertools
import logging
import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer
from cocotbext.eth import GmiiFrame, GmiiSink, GmiiSource
from opentep.sim.mac import Collector, Packet, frame_words, random_lengths, received

WIDTH = int(os.environ["WIDTH"])
EVERY = int(os.environ["EVERY"])
"""Clocks per octet at the PHY: 1 at 1 Gb/s."""
SYNC_PS = int(os.environ["SYNC_PS"])
RX_PS, TX_PS = int(os.environ["RX_PS"]), int(os.environ["TX_PS"])
"""Clock periods; the least step of the simulator is 2 ps, 250 ppm."""
MAX_FRAME = 9018
GAP = 12


class Source(GmiiSource):
    """With a gap of ``gaps()`` octets behind each packet."""

    def __init__(self, *args, gaps, **kwargs):
        self.gaps = gaps
        super().__init__(*args, **kwargs)

    @property
    def ifg(self):
        return self.gaps()

    @ifg.setter
    def ifg(self, value):
        pass


async def enables(clock, enable):
    """One clock in ``EVERY``."""
    enable.value = EVERY == 1
    while EVERY > 1:
        await ClockCycles(clock, EVERY - 1)
        enable.value = 1
        await RisingEdge(clock)
        enable.value = 0


class Bench:
    def __init__(self, dut, seed=1, sync_ps=SYNC_PS):
        self.dut = dut
        self.rng = random.Random(seed)
        self.frames = Collector(WIDTH)
        self.strobes = {"underrun": 0, "overflow": 0}
        self.clocks = {
            "": (dut.clk, sync_ps),
            "rx_": (dut.rx_clk, RX_PS),
            "tx_": (dut.tx_clk, TX_PS),
        }
        self.source = Source(
            dut.gmii_rx__data,
            dut.gmii_rx__error,
            dut.gmii_rx__valid,
            dut.rx_clk,
            enable=dut.gmii_rx__enable,
            gaps=lambda: GAP,
        )
        self.sink = GmiiSink(
            dut.gmii_tx__data, dut.gmii_tx__error, dut.gmii_tx__valid, dut.tx_clk, enable=dut.gmii_tx__enable
        )
        for partner in (self.source, self.sink):
            partner.log.setLevel(logging.WARNING)

    async def start(self, delays=None):
        """``delays``: how long each domain's reset lasts in ns."""
        dut = self.dut
        dut.tx__valid.value = 0
        for reset in (dut.rst, dut.rx_rst, dut.tx_rst):
            reset.value = 1
        for clock, period in self.clocks.values():
            cocotb.start_soon(Clock(clock, period, "ps").start())
        cocotb.start_soon(enables(dut.rx_clk, dut.gmii_rx__enable))
        cocotb.start_soon(enables(dut.tx_clk, dut.gmii_tx__enable))
        cocotb.start_soon(self.watch())
        for name, delay in (delays or {"rx_": 100, "tx_": 0, "": 0}).items():
            await Timer(delay + 50, "ns")
            await RisingEdge(self.clocks[name][0])
            getattr(dut, f"{name}rst").value = 0
        await ClockCycles(dut.clk, 10)
        await ClockCycles(dut.rx_clk, 4 * EVERY)
        # A reset may look like a strobe.
        self.strobes = dict.fromkeys(self.strobes, 0)

    async def watch(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rx__valid.value):
                if int(dut.rst.value):
                    continue
                self.frames.add(int(dut.rx__payload.value))
            for name in self.strobes:
                self.strobes[name] += int(getattr(dut, name).value)

    async def receive(self, packets):
        for packet in packets:
            errors = [offset in packet.errors for offset in range(len(packet.octets))]
            await self.source.send(GmiiFrame(packet.octets, [int(error) for error in errors]))
        await self.source.wait()
        await ClockCycles(self.dut.rx_clk, 10 * EVERY)
        await ClockCycles(self.dut.clk, 30)

    async def transmit(self, frames, *, pause=0.0, stall_at=None):
        """``frames``: pairs of octets and whether they are good; ``pause``: probability of a random time between two.
        ``stall_at``: stop for long before this word of each second frame."""
        dut = self.dut
        for number, (octets, good) in enumerate(frames):
            if self.rng.random() < pause:
                await ClockCycles(dut.clk, self.rng.randrange(60 * EVERY))
            for index, word in enumerate(frame_words(octets, WIDTH, error=not good)):
                if index == stall_at and number % 2 == 0:
                    await ClockCycles(dut.clk, 400)
                dut.tx__valid.value = 1
                dut.tx__payload.value = word
                await RisingEdge(dut.clk)
                while not int(dut.tx__ready.value):
                    await RisingEdge(dut.clk)
                dut.tx__valid.value = 0

    async def sent(self, count):
        """The next packets on the wire, and the gaps between them in octets."""
        packets = []
        while len(packets) < count:
            await self.sink.wait()
            packets.append(self.sink.recv_nowait())
        period = self.clocks["tx_"][1] * EVERY
        gaps = [
            round((after.sim_time_start - before.sim_time_end) / period)
            for before, after in itertools.pairwise(packets)
        ]
        return packets, gaps


def damaged(rng, frame):
    """Its packet with some damage."""
    packet = Packet.of(frame)
    octets = packet.octets
    match rng.randrange(8):
        case 0:
            at = rng.randrange(len(octets))
            return Packet(octets[:at] + bytes((octets[at] ^ 1 << rng.randrange(8),)) + octets[at + 1 :])
        case 1:
            return Packet(octets, frozenset({rng.randrange(len(octets))}))
        case 2:
            return Packet(octets[rng.randrange(8) :])
        case 3:
            return Packet(octets[: rng.randrange(1, len(octets))])
    return packet


def of_frames(rng, packets):
    frames = (received(packet, MAX_FRAME) for packet in packets)
    return [frame for frame in frames if frame is not None]


@cocotb.test()
async def random_packets_in(dut):
    bench = Bench(dut)
    rng = bench.rng
    bench.source.gaps = lambda: rng.choice((1, 4, 12, 12, rng.randrange(1, 60)))
    await bench.start()
    packets = [damaged(rng, rng.randbytes(length)) for length in random_lengths(rng, 600 // EVERY, 1600)]
    await bench.receive(packets)
    assert bench.frames.frames == of_frames(rng, packets)
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test(skip=EVERY > 1)
async def every_truncation_in(dut):
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    whole = Packet.of(rng.randbytes(100))
    packets = []
    for end in range(1, len(whole.octets)):
        packets += [Packet(whole.octets[:end]), Packet.of(rng.randbytes(60))]
    await bench.receive(packets)
    assert bench.frames.frames == of_frames(rng, packets)


@cocotb.test(skip=EVERY > 1)
async def jumbo_and_giants_in(dut):
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    packets = []
    for length in (9014, 9015, 9013, 30000, 9014):
        packets += [Packet.of(rng.randbytes(length)), Packet.of(rng.randbytes(60))]
    await bench.receive(packets)
    assert bench.frames.frames == of_frames(rng, packets)
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test()
async def line_rate_out(dut):
    """Frames of all kinds of lengths follow each other with the least gap."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    lengths = random_lengths(rng, 200 // EVERY, 1600) + [9014] * (EVERY == 1)
    frames = [(rng.randbytes(length), True) for length in lengths]
    cocotb.start_soon(bench.transmit(frames))
    packets, gaps = await bench.sent(len(frames))
    assert set(gaps) == {GAP}
    for packet, (octets, _) in zip(packets, frames, strict=True):
        assert not packet.error
        # The sink takes the first octet for the beginning only.
        assert bytes(packet.data) == Packet.of(octets.ljust(60, b"\0")).octets[1:]
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test()
async def random_frames_out(dut):
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    lengths = random_lengths(rng, 300 // EVERY, 1600)
    frames = [(rng.randbytes(length), bool(rng.randrange(5))) for length in lengths]
    cocotb.start_soon(bench.transmit(frames, pause=0.5))
    packets, gaps = await bench.sent(len(frames))
    assert min(gaps) >= GAP
    for packet, (octets, good) in zip(packets, frames, strict=True):
        assert bool(packet.error) != good
        assert packet.check_fcs() == good
        assert bytes(packet.get_payload()) == octets.ljust(60, b"\0")
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test(skip=EVERY > 1)
async def stalls_out(dut):
    """A frame that stops on its way is spoilt and told, and the next one is not concerned."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    length = 192 + WIDTH
    for stall_at in range(64 * 8 // WIDTH + 1, length * 8 // WIDTH, max(1, 256 // WIDTH)):
        frames = [(rng.randbytes(length), True) for _ in range(4)]
        before = bench.strobes["underrun"]
        cocotb.start_soon(bench.transmit(frames, stall_at=stall_at))
        packets, _ = await bench.sent(len(frames))
        await ClockCycles(dut.clk, 20)
        for number, (packet, (octets, _)) in enumerate(zip(packets, frames, strict=True)):
            assert bool(packet.error) == (number % 2 == 0)
            assert packet.check_fcs() == (number % 2 == 1)
            assert number % 2 == 0 or bytes(packet.get_payload()) == octets
        assert bench.strobes["underrun"] == before + 2


@cocotb.test(skip=EVERY > 1)
async def resets(dut):
    """At any time, of any domain, in any order: frames are lost or marked, never torn or merged."""
    bench = Bench(dut)
    rng = bench.rng
    names = list(bench.clocks)
    rng.shuffle(names)
    await bench.start({name: rng.randrange(200) for name in names})
    for _ in range(12):
        incoming = [rng.randbytes(rng.randrange(60, 300)) for _ in range(10)]
        outgoing = [rng.randbytes(rng.randrange(60, 300)) for _ in range(10)]
        arriving = cocotb.start_soon(bench.receive([Packet.of(frame) for frame in incoming]))
        departing = cocotb.start_soon(bench.transmit([(frame, True) for frame in outgoing]))
        for name in rng.sample(names, rng.randrange(1, 4)):
            await Timer(rng.randrange(8000), "ns")
            await RisingEdge(bench.clocks[name][0])
            getattr(dut, f"{name}rst").value = 1
            if not name:
                # A core in reset has nothing to send, and begins with a whole frame.
                departing.cancel()
                dut.tx__valid.value = 0
                bench.frames.current = b""
            await ClockCycles(bench.clocks[name][0], rng.randrange(1, 30))
            getattr(dut, f"{name}rst").value = 0
        await arriving
        if not departing.cancelled():
            await departing
        await Timer(10, "us")
        good = [frame for frame, intact in bench.frames.frames if intact]
        assert all(frame in incoming for frame in good)
        while not bench.sink.empty():
            packet = bench.sink.recv_nowait()
            if not packet.error and packet.check_fcs():
                assert bytes(packet.get_payload()) in outgoing
        bench.frames.frames.clear()
        # Afterwards all is as ever.
        last = rng.randbytes(100)
        await bench.receive([Packet.of(last)])
        assert bench.frames.frames[-1:] == [(last, True)]
        cocotb.start_soon(bench.transmit([(last, True)]))
        packets, _ = await bench.sent(1)
        assert bytes(packets[0].get_payload()) == last and packets[0].check_fcs() and not packets[0].error
        bench.frames.frames.clear()


@cocotb.test(skip=EVERY > 1)
async def a_core_that_is_too_slow(dut):
    """Then frames are lost or marked, and that is told."""
    bench = Bench(dut, sync_ps=50_000)
    rng = bench.rng
    await bench.start()
    frames = [rng.randbytes(rng.randrange(60, 200)) for _ in range(200)]
    await bench.receive([Packet.of(frame) for frame in frames])
    await ClockCycles(dut.clk, 20)
    good = [frame for frame, intact in bench.frames.frames if intact]
    sent = iter(frames)
    assert all(any(frame == other for other in sent) for frame in good)
    assert 10 < bench.strobes["overflow"] <= len(frames) - len(good)
