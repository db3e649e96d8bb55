"""cocotb module: the whole MAC against partners of cocotbext-eth, its three clocks apart."""

import logging
import os

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.eth import GmiiFrame, GmiiSink, GmiiSource
from mac_bench import MacBench, damaged, of_frames, with_gaps
from opentep.sim.mac import Packet, random_lengths, received

WIDTH = int(os.environ["WIDTH"])
EVERY = int(os.environ["EVERY"])
"""Clocks per octet at the PHY: 1 at 1 Gb/s."""
SYNC_PS = int(os.environ["SYNC_PS"])
RX_PS, TX_PS = int(os.environ["RX_PS"]), int(os.environ["TX_PS"])
"""Clock periods; the least step of the simulator is 2 ps, 250 ppm."""
MAX_FRAME = 9018
GAP = 12


async def enables(clock, enable):
    """One clock in ``EVERY``."""
    enable.value = EVERY == 1
    while EVERY > 1:
        await ClockCycles(clock, EVERY - 1)
        enable.value = 1
        await RisingEdge(clock)
        enable.value = 0


class Bench(MacBench):
    EVERY = EVERY
    OCTET_PS = TX_PS * EVERY

    def __init__(self, dut, sync_ps=SYNC_PS):
        source = with_gaps(GmiiSource)(
            dut.gmii_rx__data,
            dut.gmii_rx__error,
            dut.gmii_rx__valid,
            dut.rx_clk,
            enable=dut.gmii_rx__enable,
            gaps=lambda: GAP,
        )
        sink = GmiiSink(
            dut.gmii_tx__data, dut.gmii_tx__error, dut.gmii_tx__valid, dut.tx_clk, enable=dut.gmii_tx__enable
        )
        for partner in (source, sink):
            partner.log.setLevel(logging.WARNING)
        super().__init__(dut, WIDTH, {"": sync_ps, "rx_": RX_PS, "tx_": TX_PS}, source, sink)

    @staticmethod
    def frame_of(packet):
        return GmiiFrame(
            packet.octets, [int(offset in packet.errors) for offset in range(len(packet.octets))]
        )

    async def start(self, delays=None):
        cocotb.start_soon(enables(self.dut.rx_clk, self.dut.gmii_rx__enable))
        cocotb.start_soon(enables(self.dut.tx_clk, self.dut.gmii_tx__enable))
        await super().start(delays)


@cocotb.test()
async def random_packets_in(dut):
    bench = Bench(dut)
    rng = bench.rng
    bench.source.gaps = lambda: rng.choice((1, 4, 12, 12, rng.randrange(1, 60)))
    await bench.start()
    packets = [damaged(rng, rng.randbytes(length)) for length in random_lengths(rng, 600 // EVERY, 1600)]
    await bench.receive(packets)
    assert bench.frames.frames == of_frames(packets, received, MAX_FRAME)
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test(skip=EVERY > 1)
async def every_truncation_in(dut):
    await Bench(dut).check_truncations(received, MAX_FRAME)


@cocotb.test(skip=EVERY > 1)
async def jumbo_and_giants_in(dut):
    await Bench(dut).check_giants(received, MAX_FRAME)


@cocotb.test()
async def line_rate_out(dut):
    """Frames of all kinds of lengths follow each other with the least gap."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    lengths = random_lengths(rng, 200 // EVERY, 1600) + [9014] * (EVERY == 1)
    frames = [(rng.randbytes(length), True) for length in lengths]
    cocotb.start_soon(bench.transmit(frames))
    packets = await bench.sent(len(frames))
    assert set(bench.gaps(packets)) == {GAP}
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
    packets = await bench.sent(len(frames))
    assert min(bench.gaps(packets)) >= GAP
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
        packets = await bench.sent(len(frames))
        await ClockCycles(dut.clk, 20)
        for number, (packet, (octets, _)) in enumerate(zip(packets, frames, strict=True)):
            assert bool(packet.error) == (number % 2 == 0)
            assert packet.check_fcs() == (number % 2 == 1)
            assert number % 2 == 0 or bytes(packet.get_payload()) == octets
        assert bench.strobes["underrun"] == before + 2


@cocotb.test(skip=EVERY > 1)
async def resets(dut):
    await Bench(dut).check_resets(12, 8000, lambda packet: packet.check_fcs() and not packet.error)


@cocotb.test(skip=EVERY > 1)
async def a_core_that_is_too_slow(dut):
    await Bench(dut, sync_ps=50_000).check_a_slow_core()
