"""cocotb module: the whole MAC against partners of cocotbext-eth at XGMII, its three clocks apart."""

import itertools
import logging
import os

import cocotb
from cocotb.triggers import ClockCycles
from cocotbext.eth import XgmiiFrame, XgmiiSink, XgmiiSource
from mac_bench import MacBench, damaged, of_frames, with_gaps
from opentep.sim.mac import START, Packet, random_lengths
from opentep.sim.xgmii import received_xgmii

WIDTH = int(os.environ["WIDTH"])
SYNC_PS = int(os.environ["SYNC_PS"])
RX_PS, TX_PS = int(os.environ["RX_PS"]), int(os.environ["TX_PS"])
"""Clock periods; the least step of the simulator is 2 ps, 310 ppm."""
MAX_FRAME = 9018
GAP = 12
ERROR = 0xFE
LOCAL_FAULT, REMOTE_FAULT = 1, 2


class Bench(MacBench):
    OCTET_PS = TX_PS / 8

    def __init__(self, dut, sync_ps=SYNC_PS):
        source = with_gaps(XgmiiSource)(
            dut.xgmii_rx__data, dut.xgmii_rx__control, dut.rx_clk, gaps=lambda: GAP
        )
        sink = XgmiiSink(dut.xgmii_tx__data, dut.xgmii_tx__control, dut.tx_clk)
        for partner in (source, sink):
            partner.log.setLevel(logging.WARNING)
        super().__init__(dut, WIDTH, {"": sync_ps, "rx_": RX_PS, "tx_": TX_PS}, source, sink)

    @staticmethod
    def frame_of(packet):
        octets = bytearray(packet.octets)
        for offset in packet.errors:
            octets[offset] = ERROR
        return XgmiiFrame(octets, [int(offset in packet.errors) for offset in range(len(octets))])


def spoilt(packet):
    """The octets before the first /E/ of a packet that has any."""
    assert packet.ctrl is not None and packet.ctrl[-1] and packet.data[-1] == ERROR
    return bytes(packet.data[len(START) : -1])


def startable(packet):
    """With /S/ as it must be, which the source puts there."""
    return Packet(START[:1] + packet.octets[1:], packet.errors - {0})


@cocotb.test()
async def random_packets_in(dut):
    bench = Bench(dut)
    rng = bench.rng
    bench.source.enable_dic = False
    bench.source.gaps = lambda: rng.choice((5, 9, 12, 12, rng.randrange(5, 60)))
    await bench.start()
    packets = [startable(damaged(rng, rng.randbytes(length))) for length in random_lengths(rng, 600, 1600)]
    await bench.receive(packets)
    assert bench.frames.frames == of_frames(packets, received_xgmii, MAX_FRAME)
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test()
async def line_rate_in(dut):
    """Frames of all kinds of lengths follow each other with gaps of 12 octets on average."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    lengths = [*range(46, 130), *random_lengths(rng, 100, 1600), *[9014] * 4]
    frames = [rng.randbytes(max(length, 60)) for length in lengths]
    await bench.receive([Packet.of(frame) for frame in frames])
    assert bench.frames.frames == [(frame, True) for frame in frames]
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test()
async def every_truncation_in(dut):
    await Bench(dut).check_truncations(received_xgmii, MAX_FRAME)


@cocotb.test()
async def jumbo_and_giants_in(dut):
    await Bench(dut).check_giants(received_xgmii, MAX_FRAME)


@cocotb.test()
async def line_rate_out(dut):
    """Frames of all kinds of lengths follow each other with gaps of 12 octets on average."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    lengths = [*random_lengths(rng, 300, 1600), *[9014] * 3]
    frames = [(rng.randbytes(length), True) for length in lengths]
    cocotb.start_soon(bench.transmit(frames))
    packets = await bench.sent(len(frames))
    short = list(itertools.accumulate(GAP - gap for gap in bench.gaps(packets)))
    assert min(short) >= 0 and max(short) == 3
    assert {packet.start_lane for packet in packets} == {0, 4}
    for packet, (octets, _) in zip(packets, frames, strict=True):
        assert packet.ctrl is None
        assert bytes(packet.data) == Packet.of(octets.ljust(60, b"\0")).octets
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test()
async def random_frames_out(dut):
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    lengths = random_lengths(rng, 300, 1600)
    frames = [(rng.randbytes(length), bool(rng.randrange(5))) for length in lengths]
    cocotb.start_soon(bench.transmit(frames, pause=0.5))
    packets = await bench.sent(len(frames))
    for packet, (octets, good) in zip(packets, frames, strict=True):
        octets = octets.ljust(60, b"\0")
        if good:
            assert packet.ctrl is None and packet.check_fcs() and bytes(packet.get_payload()) == octets
        else:
            assert spoilt(packet) == octets
    assert bench.strobes == {"underrun": 0, "overflow": 0}


@cocotb.test()
async def stalls_out(dut):
    """A frame that stops on its way is spoilt and told, and the next one is not concerned."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    length = 256 + WIDTH
    for stall_at in range(128 * 8 // WIDTH + 1, length * 8 // WIDTH, max(1, 256 // WIDTH)):
        frames = [(rng.randbytes(length), True) for _ in range(4)]
        before = bench.strobes["underrun"]
        cocotb.start_soon(bench.transmit(frames, stall_at=stall_at))
        packets = await bench.sent(len(frames))
        await ClockCycles(dut.clk, 20)
        for number, (packet, (octets, _)) in enumerate(zip(packets, frames, strict=True)):
            if number % 2:
                assert packet.ctrl is None and packet.check_fcs() and bytes(packet.get_payload()) == octets
            else:
                assert octets.startswith(spoilt(packet))
        assert bench.strobes["underrun"] == before + 2


@cocotb.test()
async def faults(dut):
    """Of the link are told to the core and answered, also in the middle of frames; afterwards frames pass whole."""
    bench = Bench(dut)
    rng = bench.rng
    await bench.start()
    for kind, answer in ((LOCAL_FAULT, REMOTE_FAULT), (REMOTE_FAULT, None)) * 3:
        frames = [(rng.randbytes(rng.randrange(60, 300)), True) for _ in range(40)]
        sending = cocotb.start_soon(bench.transmit(frames))
        await ClockCycles(dut.clk, rng.randrange(20, 60))
        bench.source.set_seq_os(kind)
        await ClockCycles(dut.clk, 40)
        assert int(dut.fault.value) == kind
        bench.sink.os = None
        while not bench.sink.empty():
            bench.sink.recv_nowait()
        await ClockCycles(dut.tx_clk, 60)
        assert bench.sink.os == answer and bench.sink.empty()
        bench.source.set_os(None)
        await ClockCycles(dut.rx_clk, 50)
        assert int(dut.fault.value) == kind
        await ClockCycles(dut.rx_clk, 40)
        assert int(dut.fault.value) == 0
        await sending
        await ClockCycles(dut.clk, 100)
        while not bench.sink.empty():
            packet = bench.sink.recv_nowait()
            assert packet.ctrl is None and packet.check_fcs()
            assert bytes(packet.get_payload()) in [octets for octets, _ in frames]


@cocotb.test()
async def resets(dut):
    await Bench(dut).check_resets(12, 1500, lambda packet: packet.ctrl is None and packet.check_fcs())


@cocotb.test()
async def a_core_that_is_too_slow(dut):
    await Bench(dut, sync_ps=10 * SYNC_PS).check_a_slow_core()
