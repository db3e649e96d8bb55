"""A packet memory in simulation, with everything around it: parsers, verdict, egress ports, an accountant."""

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from amaranth.sim import Simulator
from opentep.gateware.memory.packet_memory import PacketMemory
from opentep.gateware.memory.ports import READ_LATENCY


@dataclass
class Frame:
    """One frame: its words, and what became of it."""

    port: int
    words: list[int]
    error: bool = False
    references: int = 0
    head: int = 0
    no_buffer: bool = False
    cells: list[int] = field(default_factory=list)


@dataclass
class Reading:
    """An egress port on its way through a frame."""

    frame: Frame
    cell: int
    word: int = 0
    asked: int = 0
    got: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)


@dataclass
class Rates:
    """Probabilities per clock that somebody moves."""

    offer: float = 0.8
    stored: float = 0.8
    commit: float = 0.8
    read: float = 0.8
    release: float = 0.8
    discard: float = 0.1
    """Share of good frames that get no reference."""


class MemoryBench:
    """Runs frames through a :class:`PacketMemory` and checks every rule of its contract in every clock."""

    def __init__(self, params, seed, rates=None):
        self.params = params
        self.dut = PacketMemory(params)
        self.rng = random.Random(seed)
        self.rates = rates or Rates()
        self.to_send = [deque() for _ in range(params.ports)]
        self.in_memory = [deque() for _ in range(params.ports)]
        self.to_commit = deque()
        self.to_read = [deque() for _ in range(params.ports)]
        self.to_release = [deque() for _ in range(params.ports)]
        self.live = {}
        self.stored = []
        self.done = []
        self.clock = 0
        self.accepted = [0] * params.ports
        self.paused_ports = set()
        """Ports whose ``stored`` is not taken."""
        self.hold = False
        """Frames stay in memory: nobody reads or releases."""

    def send(self, port, words, error=False):
        """Queue a frame of ``words`` random words."""
        payload = [self.rng.getrandbits(self.params.width) for _ in range(words)]
        self.to_send[port].append(Frame(port, payload, error))

    def chance(self, probability):
        return self.rng.random() < probability

    def run(self, script):
        """Simulate ``script(bench)``, which awaits :meth:`clocks` and :meth:`drain`."""

        async def bench(ctx):
            self.ctx = ctx
            self._reset_drivers()
            await script(self)

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()

    async def clocks(self, count):
        for _ in range(count):
            await self._clock()

    async def drain(self, limit=20000):
        """Run until no frame is left anywhere and ``used`` is zero."""
        for _ in range(limit):
            if self.idle():
                await self.clocks(20)
                assert self.ctx.get(self.dut.used) == 0
                return
            await self._clock()
        raise AssertionError(f"not empty after {limit} clocks: {self.ctx.get(self.dut.used)} cells in use")

    def idle(self):
        queues = (*self.to_send, *self.in_memory, self.to_commit, *self.to_read, *self.to_release)
        return not any(queues) and not self.live and self.ctx.get(self.dut.used) == 0

    def _reset_drivers(self):
        self.position = [0] * self.params.ports
        self.offering = [False] * self.params.ports
        self.reading = [None] * self.params.ports
        self.responses = [deque() for _ in range(self.params.ports)]
        self.releasing = [False] * self.params.ports
        self.committing = False
        self.asking = [False] * self.params.ports
        self.previous_stored = [None] * self.params.ports

    async def _clock(self):
        ctx, dut = self.ctx, self.dut
        for port in range(self.params.ports):
            self._drive_port(port)
        if not self.committing:
            self.committing = bool(self.to_commit) and self.chance(self.rates.commit)
        ctx.set(dut.commit.valid, self.committing)
        if self.committing:
            frame = self.to_commit[0]
            ctx.set(dut.commit.payload, {"head": frame.head, "references": frame.references})
        committed = self.committing and ctx.get(dut.commit.ready)
        moves = [self._observe_port(port) for port in range(self.params.ports)]
        await ctx.tick()
        self.clock += 1
        if committed:
            self.committing = False
            self._committed(self.to_commit.popleft())
        for port, move in enumerate(moves):
            self._advance_port(port, move)

    def _drive_port(self, port):
        ctx, dut = self.ctx, self.dut
        write, stored = dut.write[port], dut.stored[port]
        if not self.offering[port]:
            self.offering[port] = bool(self.to_send[port]) and self.chance(self.rates.offer)
        ctx.set(write.valid, self.offering[port])
        if self.offering[port]:
            frame = self.to_send[port][0]
            position = self.position[port]
            last = position == len(frame.words) - 1
            ctx.set(write.payload.data, frame.words[position])
            ctx.set(write.payload.last, last)
            ctx.set(write.payload.error, last and frame.error)
        ctx.set(stored.ready, port not in self.paused_ports and self.chance(self.rates.stored))

        if self.reading[port] is None and self.to_read[port] and not self.hold:
            frame = self.to_read[port].popleft()
            self.reading[port] = Reading(frame, frame.head, cells=[frame.head])
        reading = self.reading[port]
        request = dut.read[port].request
        if not self.asking[port]:
            self.asking[port] = self._wants_word(reading) and self.chance(self.rates.read)
        ctx.set(request.valid, self.asking[port])
        if self.asking[port]:
            ctx.set(request.payload, {"cell": reading.cell, "word": reading.word})
        release = dut.release[port]
        if not self.releasing[port]:
            self.releasing[port] = bool(self.to_release[port]) and self.chance(self.rates.release)
        ctx.set(release.valid, self.releasing[port])
        if self.releasing[port]:
            ctx.set(release.payload, self.to_release[port][0].head)

    def _wants_word(self, reading):
        return (
            reading is not None
            and reading.asked < len(reading.frame.words)
            and reading.word < self.params.cell_words
        )

    def _observe_port(self, port):
        ctx, dut = self.ctx, self.dut
        write, stored, read = dut.write[port], dut.stored[port], dut.read[port]
        report = None
        if ctx.get(stored.valid):
            report = (ctx.get(stored.payload.head), ctx.get(stored.payload.no_buffer))
        previous = self.previous_stored[port]
        assert previous is None or previous == report, "stored changed while stalled"
        taken = report is not None and ctx.get(stored.ready)
        self.previous_stored[port] = None if taken else report
        response = None
        if ctx.get(read.valid):
            response = (ctx.get(read.data), ctx.get(read.next_cell))
        return {
            "written": self.offering[port] and ctx.get(write.ready),
            "report": report if taken else None,
            "asked": self.asking[port] and ctx.get(read.request.ready),
            "response": response,
            "released": self.releasing[port] and ctx.get(dut.release[port].ready),
        }

    def _advance_port(self, port, move):
        if move["written"]:
            self.offering[port] = False
            self.accepted[port] += 1
            self.position[port] += 1
            frame = self.to_send[port][0]
            if self.position[port] == len(frame.words):
                self.position[port] = 0
                self.in_memory[port].append(self.to_send[port].popleft())
        if move["report"] is not None:
            self._stored(port, *move["report"])
        self._responses(port, move["response"])
        if move["asked"]:
            reading = self.reading[port]
            self.asking[port] = False
            reading.word += 1
            reading.asked += 1
            self.responses[port].append(self.clock - 1 + READ_LATENCY)
        if move["released"]:
            self.releasing[port] = False
            self._released(self.to_release[port].popleft())

    def _stored(self, port, head, no_buffer):
        frame = self.in_memory[port].popleft()
        frame.head, frame.no_buffer = head, bool(no_buffer)
        self.stored.append(frame)
        if head == 0:
            assert no_buffer, "only a frame that found no cell may come without one"
        else:
            assert head not in self.live, f"cell {head} is already the head of another frame"
            self.live[head] = frame
        if not (frame.error or frame.no_buffer or self.chance(self.rates.discard)):
            frame.references = self.rng.randint(1, self.params.ports)
        self.to_commit.append(frame)

    def _committed(self, frame):
        if frame.references == 0:
            self.live.pop(frame.head, None)
            self.done.append(frame)
            return
        for port in self.rng.sample(range(self.params.ports), frame.references):
            self.to_read[port].append(frame)

    def _responses(self, port, response):
        due = bool(self.responses[port]) and self.responses[port][0] == self.clock - 1
        assert (response is not None) == due, "response not exactly READ_LATENCY clocks after acceptance"
        if response is None:
            return
        self.responses[port].popleft()
        reading = self.reading[port]
        word, next_cell = response
        assert word == reading.frame.words[len(reading.got)], "stored frame is damaged"
        reading.got.append(word)
        if len(reading.got) == len(reading.frame.words):
            assert next_cell == 0, "the last cell has a link"
            self._read_all(port, reading)
        elif len(reading.got) % self.params.cell_words == 0:
            assert next_cell != 0
            reading.cell, reading.word = next_cell, 0
            reading.cells.append(next_cell)

    def _read_all(self, port, reading):
        frame = reading.frame
        assert frame.cells in ([], reading.cells), "readers saw different chains"
        frame.cells = reading.cells
        for other in self.live.values():
            assert other is frame or not set(other.cells) & set(frame.cells), "a cell is in two frames"
        self.reading[port] = None
        self.to_release[port].append(frame)

    def _released(self, frame):
        frame.references -= 1
        if frame.references == 0:
            assert self.live.pop(frame.head) is frame
            self.done.append(frame)


@pytest.fixture
def memory_bench():
    """The class :class:`MemoryBench`; ``memory_bench.Rates`` its probabilities."""
    MemoryBench.Rates = Rates
    return MemoryBench
