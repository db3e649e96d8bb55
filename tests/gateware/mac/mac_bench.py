"""What cocotb modules need around a whole MAC, whatever its PHY: three clocks, their resets, the core's side."""

import itertools
import random
from abc import ABC, abstractmethod

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer
from opentep.gateware.mac.faults import MacFaults
from opentep.sim.mac import Collector, Packet, frame_words

__all__ = ["MacBench", "damaged", "of_frames", "with_gaps"]


def with_gaps(source):
    """The class of partners ``source``, with a gap of ``gaps()`` octets behind each packet."""

    class Source(source):
        def __init__(self, *args, gaps, **kwargs):
            self.gaps = gaps
            super().__init__(*args, **kwargs)

        @property
        def ifg(self):
            return self.gaps()

        @ifg.setter
        def ifg(self, value):
            pass

    return Source


class MacBench(ABC):
    """``periods``: of the clocks, in ps, by the prefix of their names. The ``source`` and the ``sink`` at the PHY are
    those of cocotbext-eth."""

    EVERY = 1
    """Clocks of the PHY per octet or word."""

    OCTET_PS = 8000
    """Time of an octet that leaves, in ps."""

    def __init__(self, dut, width, periods, source, sink, seed=1):
        self.dut = dut
        self.width = width
        self.source, self.sink = source, sink
        self.rng = random.Random(seed)
        self.frames = Collector(width)
        self.strobes = {"underrun": 0, "overflow": 0}
        self.clocks = {prefix: (getattr(dut, f"{prefix}clk"), period) for prefix, period in periods.items()}

    @staticmethod
    @abstractmethod
    def frame_of(packet):
        """For the source."""

    async def start(self, delays=None):
        """``delays``: how long each domain's reset lasts in ns."""
        dut = self.dut
        dut.tx__valid.value = 0
        for reset in (dut.rst, dut.rx_rst, dut.tx_rst):
            reset.value = 1
        for clock, period in self.clocks.values():
            cocotb.start_soon(Clock(clock, period, "ps").start())
        cocotb.start_soon(self.watch())
        for name, delay in (delays or {"rx_": 100, "tx_": 0, "": 0}).items():
            await Timer(delay + 50, "ns")
            await RisingEdge(self.clocks[name][0])
            getattr(dut, f"{name}rst").value = 0
        await ClockCycles(dut.clk, 10)
        await ClockCycles(dut.rx_clk, 4 * self.EVERY)
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
            faults = MacFaults.from_bits(int(dut.faults.value))
            for name in self.strobes:
                self.strobes[name] += faults[name]

    async def receive(self, packets):
        for packet in packets:
            await self.source.send(self.frame_of(packet))
        await self.source.wait()
        await ClockCycles(self.dut.rx_clk, 16 * self.EVERY)
        await ClockCycles(self.dut.clk, 30)

    async def transmit(self, frames, *, pause=0.0, stall_at=None):
        """``frames``: pairs of octets and whether they are good; ``pause``: probability of a random time between two.
        ``stall_at``: stop for long before this word of each second frame."""
        dut = self.dut
        for number, (octets, good) in enumerate(frames):
            if self.rng.random() < pause:
                await ClockCycles(dut.clk, self.rng.randrange(60 * self.EVERY))
            for index, word in enumerate(frame_words(octets, self.width, error=not good)):
                if index == stall_at and number % 2 == 0:
                    await ClockCycles(dut.clk, 400)
                dut.tx__valid.value = 1
                dut.tx__payload.value = word
                await RisingEdge(dut.clk)
                while not int(dut.tx__ready.value):
                    await RisingEdge(dut.clk)
                dut.tx__valid.value = 0

    async def sent(self, count):
        """The next packets on the wire."""
        packets = []
        while len(packets) < count:
            await self.sink.wait()
            packets.append(self.sink.recv_nowait())
        return packets

    def gaps(self, packets):
        """Those between packets of the sink, in octets."""
        return [
            round((after.sim_time_start - before.sim_time_end) / self.OCTET_PS)
            for before, after in itertools.pairwise(packets)
        ]

    async def check_truncations(self, reference, max_frame):
        """Packets that end at any octet, each with a whole one behind it; what comes is what ``reference`` says."""
        rng = self.rng
        await self.start()
        whole = Packet.of(rng.randbytes(100))
        packets = []
        for end in range(1, len(whole.octets)):
            packets += [Packet(whole.octets[:end]), Packet.of(rng.randbytes(60))]
        await self.receive(packets)
        assert self.frames.frames == of_frames(packets, reference, max_frame)

    async def check_giants(self, reference, max_frame):
        """Packets around the longest one that is allowed, and one far above."""
        rng = self.rng
        await self.start()
        packets = []
        for length in (9014, 9015, 9013, 30000, 9014):
            packets += [Packet.of(rng.randbytes(length)), Packet.of(rng.randbytes(60))]
        await self.receive(packets)
        assert self.frames.frames == of_frames(packets, reference, max_frame)
        assert self.strobes == {"underrun": 0, "overflow": 0}

    async def check_resets(self, rounds, within_ns, is_good):
        """Domains are reset at any time ``within_ns``, in any order: frames are lost or marked, never torn or merged.
        ``is_good`` tells of a packet in the sink."""
        dut, rng = self.dut, self.rng
        names = list(self.clocks)
        rng.shuffle(names)
        await self.start({name: rng.randrange(200) for name in names})
        for _ in range(rounds):
            incoming = [rng.randbytes(rng.randrange(60, 300)) for _ in range(10)]
            outgoing = [rng.randbytes(rng.randrange(60, 300)) for _ in range(10)]
            arriving = cocotb.start_soon(self.receive([Packet.of(frame) for frame in incoming]))
            departing = cocotb.start_soon(self.transmit([(frame, True) for frame in outgoing]))
            for name in rng.sample(names, rng.randrange(1, 4)):
                await Timer(rng.randrange(within_ns), "ns")
                await RisingEdge(self.clocks[name][0])
                getattr(dut, f"{name}rst").value = 1
                if not name:
                    # A core in reset has nothing to send, and begins with a whole frame.
                    departing.cancel()
                    dut.tx__valid.value = 0
                    self.frames.current = b""
                await ClockCycles(self.clocks[name][0], rng.randrange(1, 30))
                getattr(dut, f"{name}rst").value = 0
            await arriving
            if not departing.cancelled():
                await departing
            await Timer(10, "us")
            good = [frame for frame, intact in self.frames.frames if intact]
            assert all(frame in incoming for frame in good)
            while not self.sink.empty():
                packet = self.sink.recv_nowait()
                if is_good(packet):
                    assert bytes(packet.get_payload()) in outgoing
            self.frames.frames.clear()
            # Afterwards all is as ever.
            last = rng.randbytes(100)
            await self.receive([Packet.of(last)])
            assert self.frames.frames[-1:] == [(last, True)]
            cocotb.start_soon(self.transmit([(last, True)]))
            packet = (await self.sent(1))[0]
            assert bytes(packet.get_payload()) == last and is_good(packet)
            self.frames.frames.clear()

    async def check_a_slow_core(self):
        """Frames are lost or marked, and that is told."""
        await self.start()
        frames = [self.rng.randbytes(self.rng.randrange(60, 200)) for _ in range(200)]
        await self.receive([Packet.of(frame) for frame in frames])
        await ClockCycles(self.dut.clk, 20)
        good = [frame for frame, intact in self.frames.frames if intact]
        sent = iter(frames)
        assert all(any(frame == other for other in sent) for frame in good)
        assert 10 < self.strobes["overflow"] <= len(frames) - len(good)


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


def of_frames(packets, reference, max_frame):
    """Those that a receiver makes of packets, as ``reference`` has it."""
    frames = (reference(packet, max_frame) for packet in packets)
    return [frame for frame in frames if frame is not None]
