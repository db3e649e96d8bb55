"""cocotb module: RGMII against partners of cocotbext-eth, at the pins, through the models of the ECP5 cells."""

import itertools
import logging
import os
import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, Timer, with_timeout
from cocotb.utils import get_sim_time
from cocotbext.eth import GmiiFrame, RgmiiSink, RgmiiSource

OFFSET = int(os.environ.get("OFFSET", "0"))
"""By how many ps the PHY's period at 1 Gb/s is longer than 8,000: one is 125 ppm."""
PERIOD = {0: 400_000, 1: 40_000, 2: 8_000}
"""Picoseconds of RXC and TXC."""
OCTET_CLOCKS = {0: 100, 1: 10, 2: 1}


class Bench:
    """Clocks, partners, and a MAC that takes and gives octets."""

    def __init__(self, dut):
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        self.dut = dut
        self.received = []
        """Packets at ``rx``: lists of (octet, error)."""
        self.to_send = []
        """Octets, with errors, for ``tx``; None is an octet of gap."""
        self.clock = None
        for name in ("tx__valid", "tx__error", "tx__data", "rgmii_rx_clk"):
            getattr(dut, name).value = 0
        self.source = RgmiiSource(dut.rgmii_rx_data, dut.rgmii_rx_ctl, dut.rgmii_rx_clk)
        self.sink = RgmiiSink(dut.rgmii_tx_data, dut.rgmii_tx_ctl, dut.rgmii_tx_clk)
        cocotb.start_soon(self._clock125())
        cocotb.start_soon(self._receive())
        cocotb.start_soon(self._send())

    async def _clock125(self):
        while True:
            # The late one is behind by a quarter of a period.
            self.dut.clk125.value = 1
            await Timer(2000, "ps")
            self.dut.clk125_late.value = 1
            await Timer(2000, "ps")
            self.dut.clk125.value = 0
            await Timer(2000, "ps")
            self.dut.clk125_late.value = 0
            await Timer(2000, "ps")

    async def _rx_clock(self, period):
        while True:
            self.dut.rgmii_rx_clk.value = 1
            await Timer(period // 2, "ps")
            self.dut.rgmii_rx_clk.value = 0
            await Timer(period - period // 2, "ps")

    def set_speed(self, speed):
        if self.clock is not None:
            self.clock.cancel()
        self.clock = cocotb.start_soon(self._rx_clock(PERIOD[speed] + OFFSET * PERIOD[speed] // 8000))
        self.source.mii_mode = self.sink.mii_mode = speed < 2
        self.speed = speed
        self.dut.rx_speed.value = speed
        self.dut.tx_speed.value = speed

    async def _receive(self):
        packet = []
        dut = self.dut
        while True:
            await RisingEdge(dut.rgmii_rx_clk)
            if not int(dut.rx__enable.value):
                continue
            if int(dut.rx__valid.value):
                packet.append((int(dut.rx__data.value), int(dut.rx__error.value)))
            elif packet:
                self.received.append(packet)
                packet = []

    async def _send(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk125)
            if int(dut.tx__enable.value):
                octet = self.to_send.pop(0) if self.to_send else None
                dut.tx__valid.value = octet is not None
                dut.tx__data.value, dut.tx__error.value = octet or (0, 0)

    async def clocks(self, octets):
        await Timer(octets * OCTET_CLOCKS[self.speed] * 8000, "ps")


def frame(rng, length, errors=0):
    made = GmiiFrame(b"\x55" * 7 + b"\xd5" + rng.randbytes(length))
    made.normalize()
    for place in rng.sample(range(8, 8 + length), min(errors, length)):
        made.error[place] = 1
    return made


def content(made):
    return list(zip(made.data, made.error, strict=True))


async def receive_frames(bench, frames, gap=12):
    bench.source.ifg = gap * (1 if bench.speed == 2 else 2)
    bench.received.clear()
    for made in frames:
        await bench.source.send(GmiiFrame(bytearray(made.data), list(made.error)))
    await bench.source.wait()
    await bench.clocks(24)
    assert len(bench.received) == len(frames)
    for packet, made in zip(bench.received, frames, strict=True):
        assert packet == content(made)


async def send_frames(bench, frames, gap=12):
    for made in frames:
        bench.to_send += [*content(made), *[None] * gap]
    for made in frames:
        got = await with_timeout(bench.sink.recv(compact=False), 1000 + len(made.data) * 2000, "ns")
        data, errors = list(got.data), list(got.error or [0] * len(got.data))
        assert list(zip(data, errors, strict=True)) == content(made)


async def both_ways(bench, rng, count):
    lengths = [rng.choice((1, 2, 3, 46, 60, 61, 62, 63, 64)) for _ in range(count)]
    tasks = [
        cocotb.start_soon(
            work(bench, [frame(rng, length, rng.choice((0, 0, 1, 3))) for length in lengths], gap)
        )
        for work in (receive_frames, send_frames)
        for gap in (rng.choice((5, 12, 13)),)
    ]
    for task in tasks:
        await task


@cocotb.test()
async def every_speed(dut):
    bench, rng = Bench(dut), random.Random(1)
    for speed, count in ((2, 100), (1, 30), (0, 4)):
        bench.set_speed(speed)
        await bench.clocks(30)
        bench.sink.clear()
        await both_ways(bench, rng, count)


@cocotb.test()
async def speed_changes_within_packets(dut):
    """What is under way then may be spoilt; what comes later is not."""
    bench, rng = Bench(dut), random.Random(2)
    bench.set_speed(2)
    for _ in range(12):
        bench.to_send += content(frame(rng, 200))
        await Timer(rng.randrange(2000, 20_000), "ps")
        bench.source.send_nowait(frame(rng, 40))
        await Timer(rng.randrange(2000, 100_000), "ps")
        bench.set_speed(rng.choice((1, 1, 2)))
        await bench.source.wait()
        while bench.to_send:
            await bench.clocks(5)
        await bench.clocks(20)
        bench.sink.clear()
        await both_ways(bench, rng, 3)


@cocotb.test()
async def transmit_clock(dut):
    """Frequency and duty cycle of TXC, and the data stable around its rising edge."""
    bench, rng = Bench(dut), random.Random(3)
    for speed in (2, 1, 0):
        bench.set_speed(speed)
        await bench.clocks(30)
        bench.to_send += content(frame(rng, 60))
        for _ in range(60):
            times = []
            for edge in (RisingEdge, FallingEdge, RisingEdge):
                await edge(dut.rgmii_tx_clk)
                times.append(round(get_sim_time("ps")))
            assert times[2] - times[0] == PERIOD[speed]
            assert (times[1] - times[0]) * 2 == PERIOD[speed]
            await ReadOnly()
            before = int(dut.rgmii_tx_data.value), int(dut.rgmii_tx_ctl.value)
            await Timer(1500, "ps")
            assert (int(dut.rgmii_tx_data.value), int(dut.rgmii_tx_ctl.value)) == before


async def _raw(dut, ctl, nibble):
    """One clock on the wires between packets, changed between the edges."""
    await FallingEdge(dut.rgmii_rx_clk)
    dut.rgmii_rx_data.value, dut.rgmii_rx_ctl.value = nibble, ctl[0]
    await RisingEdge(dut.rgmii_rx_clk)
    dut.rgmii_rx_ctl.value = ctl[1]


@cocotb.test()
async def in_band_status(dut):
    rng = random.Random(4)
    for clock_speed in (2, 1):
        bench = Bench(dut)
        bench.source._run_cr.cancel()
        bench.set_speed(clock_speed)
        shown = None
        for up, speed, full_duplex in itertools.product((0, 1), (0, 1, 2, 3), (0, 1)):
            nibble = up | speed << 1 | full_duplex << 3
            for _ in range(20):
                await _raw(dut, (0, 0), nibble)
            if speed != 3:
                shown = up | speed << 1 | full_duplex << 3
            assert int(dut.status.value) == shown
            # Neither packets, nor false carriers, nor what is no state for long enough.
            for _ in range(40):
                await _raw(dut, rng.choice(((1, 1), (1, 0), (0, 1))), rng.randrange(16))
            for step in range(40):
                await _raw(dut, (0, 0), step % 8)
            assert int(dut.status.value) == shown
        bench.clock.cancel()
