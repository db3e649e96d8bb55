"""cocotb module: events and frames through the host's port into its ring, as the host reads them there."""

import json
import os
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from opentep.gateware.csr.codec import Codec
from opentep.gateware.headers import Drop
from opentep.gateware.hostport.format import (
    MAC_RECORD_BYTES,
    PUNT_HEADER_BYTES,
    MacRecord,
    PuntHeader,
    Reason,
    RingPointer,
    Time,
)
from opentep.gateware.lookup.verdict import Verdict
from opentep.gateware.memory.ports import READ_LATENCY, ReadRequest
from opentep.gateware.params import CELL_BYTES, Params
from opentep.gateware.tables.mac_entry import MacChange, MacEvent, MacKind

PARAMS = Params(**json.loads(os.environ["PARAMS"]))
QUEUED = 15
ALL = 0b1110
CLOCKS_APART = 30
"""The MAC table's engine takes longer than that for any event."""


def rows_of(octets: int) -> int:
    return -(-octets // PARAMS.word_bytes)


EVENT_ROWS = rows_of(PUNT_HEADER_BYTES) + rows_of(MAC_RECORD_BYTES)
IN_RING = -(-(PARAMS.ring_rows - PARAMS.ring_rows // 4 + 1) // EVENT_ROWS)
"""Events that are written while a quarter of the ring is free."""


@dataclass(frozen=True)
class Event:
    change: MacChange
    tenant: int
    mac: int
    kind: MacKind
    port: int
    id: int
    time: tuple[int, int] = (0, 0)
    """Seconds and clocks."""

    @classmethod
    def random(cls, rng: random.Random) -> "Event":
        return cls(
            rng.choice((MacChange.LEARNED, MacChange.MOVED, MacChange.AGED)),
            rng.randrange(PARAMS.tenants),
            rng.getrandbits(48),
            rng.choice((MacKind.LOCAL, MacKind.REMOTE)),
            rng.getrandbits(4),
            rng.getrandbits(12),
        )

    def pins(self) -> int:
        """With noise in what means nothing."""
        entry = {"static": 1, "age": 2, "kind": self.kind, "port": self.port, "id": self.id}
        event = {"change": self.change, "tenant": self.tenant, "mac": self.mac, "entry": entry}
        return int(MacEvent(PARAMS).const(event).as_bits())


@dataclass(frozen=True)
class Frame:
    head: int
    port: int
    octets: bytes


@dataclass
class Memory:
    """Packet memory for frames that lie in consecutive cells, with random stalls."""

    cells: dict[int, bytes] = field(default_factory=dict)
    released: list[int] = field(default_factory=list)

    async def serve(self, dut, rng: random.Random) -> None:
        answers = deque([None] * READ_LATENCY)
        while True:
            await FallingEdge(dut.clk)
            ready = rng.random() < 0.5
            dut.read__request__ready.value = ready
            dut.release__ready.value = rng.random() < 0.5
            answer = answers.popleft()
            dut.read__valid.value = answer is not None
            dut.read__data.value = answer[0] if answer else rng.getrandbits(PARAMS.width)
            dut.read__next_cell.value = answer[1] if answer else 0
            await RisingEdge(dut.clk)
            taken = None
            if ready and int(dut.read__request__valid.value):
                taken = self._word(ReadRequest(PARAMS).from_bits(int(dut.read__request__payload.value)))
            answers.append(taken)
            if int(dut.release__ready.value) and int(dut.release__valid.value):
                self.released.append(int(dut.release__payload.value))

    def _word(self, request) -> tuple[int, int]:
        cell, step = int(request.cell), PARAMS.word_bytes
        octets = self.cells[cell][int(request.word) * step :][:step]
        return int.from_bytes(octets, "little"), cell + 1


class Host:
    """What the host sees of the ring, read through the mailbox."""

    def __init__(self, dut):
        self.dut = dut
        self.at = 0
        self.lap = 0

    def produced(self) -> tuple[int, int]:
        pointer = RingPointer(PARAMS).from_bits(int(self.dut.produced.value))
        return int(pointer.row), int(pointer.lap)

    async def fetch(self) -> list[Event | Frame]:
        row, lap = self.produced()
        count = row - self.at + (PARAMS.ring_rows if lap != self.lap else 0)
        octets = b""
        for number in range(count):
            word = await self._row((self.at + number) % PARAMS.ring_rows)
            octets += word.to_bytes(PARAMS.word_bytes, "little")
        self.at, self.lap = row, lap
        self.dut.consumed.value = int(RingPointer(PARAMS).const({"row": row, "lap": lap}).as_bits())
        return list(self._items(octets))

    async def _row(self, index: int) -> int:
        dut = self.dut
        dut.mailbox__index.value = index
        dut.mailbox__r_stb.value = 1
        await RisingEdge(dut.clk)
        dut.mailbox__r_stb.value = 0
        while True:
            await FallingEdge(dut.clk)
            if int(dut.mailbox__done.value):
                word = int(dut.mailbox__r_data.value)
                await RisingEdge(dut.clk)
                return word

    def _items(self, octets: bytes) -> Iterator[Event | Frame]:
        def taken(count: int) -> bytes:
            nonlocal octets
            size = rows_of(count) * PARAMS.word_bytes
            front, octets = octets[:size][:count], octets[size:]
            assert len(front) == count, "the ring ends in the middle of something"
            return front

        while octets:
            header = Codec(PuntHeader).decode(int.from_bytes(taken(PUNT_HEADER_BYTES), "little"))
            content = taken(header["captured"])
            assert header["length"] == header["captured"]
            if header["reason"] is Reason.MAC_EVENT:
                record = Codec(MacRecord).decode(int.from_bytes(content, "little"))
                fields = (record[name] for name in ("change", "tenant", "mac", "kind"))
                time = header["time"]["seconds"], header["time"]["clocks"]
                yield Event(*fields, header["port"], record["id"], time)
            else:
                assert header["reason"] is Reason.LINK_LOCAL
                yield Frame(0, header["port"], content)


async def start(dut, rng: random.Random) -> tuple[Memory, Host]:
    for name in (
        *("event", "changes", "consumed", "second", "command", "offer__leaves"),
        *("offer__goes", "offer__verdict", "mailbox__r_stb", "mailbox__w_stb", "read__valid"),
    ):
        getattr(dut, name).value = 0
    dut.snap.value = PARAMS.max_frame
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 8, "ns").start())
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 4)
    memory = Memory()
    cocotb.start_soon(memory.serve(dut, rng))
    return memory, Host(dut)


async def happen(dut, event: Event) -> tuple[Event, bool]:
    """The event in one clock; as it must be told, and whether it was lost."""
    dut.event.value = event.pins()
    await FallingEdge(dut.clk)
    now = Time.as_shape().from_bits(int(dut.time.value))
    lost = bool(int(dut.event_lost.value))
    await RisingEdge(dut.clk)
    dut.event.value = 0
    return Event(*list(vars(event).values())[:-1], (int(now.seconds), int(now.clocks))), lost


async def punt(dut, memory: Memory, frame: Frame) -> bool:
    """Offer the frame; whether the port takes it."""
    for number in range(-(-len(frame.octets) // CELL_BYTES)):
        octets = frame.octets[number * CELL_BYTES :][:CELL_BYTES]
        memory.cells[frame.head + number] = octets.ljust(CELL_BYTES, b"\0")
    dut.offer__verdict.value = Codec(Verdict(PARAMS)).encode(
        {
            "drop": Drop.LINK_LOCAL,
            "port": frame.port,
            "descriptor": {"head": frame.head},
            "length": len(frame.octets),
            "stored": 1,
            "wish": {"always": 1},
        }
    )
    await FallingEdge(dut.clk)
    assert int(dut.offer__wanted.value)
    goes = int(dut.offer__ready.value)
    await RisingEdge(dut.clk)
    dut.offer__leaves.value = 1
    dut.offer__goes.value = goes
    await RisingEdge(dut.clk)
    dut.offer__leaves.value = 0
    return bool(goes)


@cocotb.test()
async def what_is_wanted_is_told_with_its_time(dut):
    rng = random.Random(1)
    _, host = await start(dut, rng)
    wanted, seen = [], []
    for number in range(200):
        changes = rng.randrange(16)
        dut.changes.value = changes
        dut.second.value = number % 40 == 20
        await RisingEdge(dut.clk)
        dut.second.value = 0
        event, lost = await happen(dut, Event.random(rng))
        assert not lost
        if changes >> event.change.value & 1:
            wanted.append(event)
        await ClockCycles(dut.clk, CLOCKS_APART)
        if rng.random() < 0.3:
            seen += await host.fetch()
    seen += await host.fetch()
    assert seen == wanted and len(wanted) > 50
    assert {event.time[0] for event in wanted} == set(range(6))


@cocotb.test()
async def a_full_ring_makes_wait_and_a_full_queue_loses(dut):
    rng = random.Random(2)
    _, host = await start(dut, rng)
    dut.changes.value = ALL
    for _ in range(3):  # the second time the ring's end comes in between
        told = []
        for number in range(IN_RING + QUEUED + 20):
            event, lost = await happen(dut, Event.random(rng))
            assert lost == (number >= IN_RING + QUEUED)
            told += [] if lost else [event]
            await ClockCycles(dut.clk, CLOCKS_APART)
        assert not int(dut.busy.value), "nothing more will happen until the host reads"
        assert await host.fetch() == told[:IN_RING]
        waited = []
        for _ in range(3):  # a wide ring has few rows
            await ClockCycles(dut.clk, QUEUED * CLOCKS_APART)
            waited += await host.fetch()
        assert waited == told[IN_RING:]


@cocotb.test()
async def who_does_not_listen_any_more_is_told_nothing_later(dut):
    rng = random.Random(3)
    _, host = await start(dut, rng)
    dut.changes.value = ALL
    for _ in range(IN_RING + QUEUED):
        await happen(dut, Event.random(rng))
        await ClockCycles(dut.clk, CLOCKS_APART)
    dut.changes.value = 0
    await ClockCycles(dut.clk, 1 + 3 * QUEUED)
    assert not int(dut.busy.value)
    dut.changes.value = ALL
    assert len(await host.fetch()) == IN_RING
    event, _ = await happen(dut, Event.random(rng))
    await ClockCycles(dut.clk, CLOCKS_APART)
    assert await host.fetch() == [event]


@cocotb.test()
async def who_listens_again_gets_nothing_into_a_full_ring(dut):
    """Whenever that is while what waits is thrown away."""
    rng = random.Random(5)
    _, host = await start(dut, rng)
    dut.changes.value = ALL
    for _ in range(IN_RING):
        await happen(dut, Event.random(rng))
        await ClockCycles(dut.clk, CLOCKS_APART)
    full = host.produced()
    for pause in range(1, 12):
        for _ in range(4):
            await happen(dut, Event.random(rng))
        dut.changes.value = 0
        await ClockCycles(dut.clk, pause)
        dut.changes.value = ALL
        await ClockCycles(dut.clk, CLOCKS_APART)
        assert host.produced() == full, f"after {pause} clocks"


@cocotb.test()
async def events_go_between_frames(dut):
    """The host reads at random; each frame is whole, and all there are; so is each event that was not lost."""
    rng = random.Random(4)
    memory, host = await start(dut, rng)
    dut.changes.value = ALL
    frames, events, seen, heads = [], [], [], []
    punted = lost = 0

    async def count():
        nonlocal punted, lost
        while True:
            await FallingEdge(dut.clk)
            punted += int(dut.punted.value)
            lost += int(dut.lost.value)

    cocotb.start_soon(count())
    cells = 1
    for _ in range(300):
        if rng.random() < 0.5:
            size = rng.choice((60, rng.randrange(60, 400)))
            frame = Frame(cells, rng.randrange(PARAMS.ports), rng.randbytes(size))
            if await punt(dut, memory, frame):
                frames.append(Frame(0, frame.port, frame.octets))
                heads.append(frame.head)
                cells = cells % (PARAMS.cells - 10) + 4
        if rng.random() < 0.5:
            event, gone = await happen(dut, Event.random(rng))
            events += [] if gone else [event]
        await ClockCycles(dut.clk, rng.randrange(CLOCKS_APART, 4 * CLOCKS_APART))
        if rng.random() < 0.4:
            seen += await host.fetch()
    for _ in range(4):
        await ClockCycles(dut.clk, 2000)
        seen += await host.fetch()
    assert [item for item in seen if isinstance(item, Event)] == events
    whole = [item for item in seen if isinstance(item, Frame)]
    assert len(whole) == punted and punted + lost == len(frames) == len(memory.released)
    rest = iter(frames)
    assert all(frame in rest for frame in whole), "in their order"
    assert memory.released == heads
    assert punted > 50 and len(events) > 100
