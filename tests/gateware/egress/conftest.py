"""A port with a behavioural packet memory around it, and what it should do with a frame."""

import random
from collections import deque
from dataclasses import dataclass, field, replace

import pytest
from amaranth.sim import Simulator
from opentep.gateware.egress.port import EgressPort
from opentep.gateware.egress.tables import ListHead, ListMember, OuterHeader, TepMode, outer_header
from opentep.gateware.headers import Descriptor, Edit, Encapsulation, GroupAddress
from opentep.gateware.memory.ports import READ_LATENCY
from opentep.gateware.params import CELL_BYTES, Params

PLAIN = (Encapsulation.ETHERNET, False)


GROUPS = {
    Edit.DECAP: tuple(GroupAddress),
    Edit.DECAP_IPV4: (GroupAddress.NONE, GroupAddress.IPV4, GroupAddress.BROADCAST),
    Edit.DECAP_IPV6: (GroupAddress.NONE, GroupAddress.IPV6, GroupAddress.BROADCAST),
}
"""What a frame's destination may stand for, by edit."""


@dataclass(frozen=True)
class Config:
    """What the port is configured with."""

    mac: int = 0x02_00_00_00_00_A1
    address: int = 0x20010DB8_00000000_00000000_000000A1
    mtu: int = 1500
    outers: dict[int, int] = field(default_factory=dict)
    modes: dict[int, tuple[Encapsulation, bool]] = field(default_factory=dict)
    """Encapsulation and whether the DSCP is fixed; per TEP, where it is not the default."""
    sids: frozenset[int] = frozenset()
    """TEPs whose address ends with the network."""
    lists: dict[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """A stored frame and the descriptor for it."""

    octets: bytes
    edit: Edit
    start: int = 0
    end: int = 0
    port: int = 0
    is_list: int = 0
    target: int = 0
    tagged: int = 0
    pcp_dei: int = 0
    exclude: int = 0
    exclude_vid: int = 0
    traffic_class: int = 0
    flow: int = 0
    network: int = 0
    tenant: int = 0
    group: GroupAddress = GroupAddress.NONE
    group_octet: int = 0

    def descriptor(self, layout: Descriptor, head: int) -> dict:
        names = layout.members.keys() - {"head"}
        return {"head": head} | {name: getattr(self, name) for name in names}


def edit(frame: Frame, config: Config) -> bytes:
    """The table "Edits, as octet ranges" of the architecture, word by word."""
    m, s, e = frame.octets, frame.start, frame.end
    own_mac, own_address = config.mac.to_bytes(6, "big"), config.address.to_bytes(16, "big")
    checksum = (frame.flow & 0xFFFF).to_bytes(2, "big")
    tag = b"\x81\x00" + (frame.pcp_dei << 12 | frame.target).to_bytes(2, "big")
    untagged_rest = m[s + 16 : e] if frame.tagged else m[s + 12 : e]
    match frame.edit:
        case Edit.RETAG:
            return m[s : s + 12] + tag + untagged_rest
        case Edit.DECAP:
            return restored(frame) + m[s + 6 : s + 12] + tag + m[s + 12 : e]
        case Edit.DECAP_IPV4 | Edit.DECAP_IPV6:
            octet = bytes((frame.traffic_class,))
            marked = m[s + 12 : s + 15] + octet + m[s + 16 : s + 24]
            marked += checksum if frame.edit == Edit.DECAP_IPV4 else m[s + 24 : s + 26]
            return restored(frame) + m[s + 6 : s + 12] + tag + marked + m[s + 26 : e]
        case Edit.ENCAP:
            inner = m[s : s + 12] + untagged_rest
            kind, fixed = config.modes.get(frame.target, PLAIN)
            flow, network = frame.flow.to_bytes(4, "big"), frame.network.to_bytes(3, "big")
            length = (len(inner) + kind.overhead).to_bytes(2, "big")
            tail = {
                Encapsulation.ETHERNET: b"",
                Encapsulation.ETHERIP: b"\x30\0",
                Encapsulation.NVGRE: bytes.fromhex("20006558") + network + flow[3:],
                Encapsulation.VXLAN: (0xC000 | frame.flow & 0x3FFF).to_bytes(2, "big")
                + (b"\x12\xb5" + length + bytes.fromhex("000008000000") + network + b"\0"),
            }[kind]
            outer = bytearray(config.outers[frame.target].to_bytes(54, "little"))
            traffic_class = frame.traffic_class & 3 if fixed else frame.traffic_class
            word = int.from_bytes(outer[14:18], "big") | traffic_class << 20 | frame.flow
            outer[14:20] = word.to_bytes(4, "big") + length
            if frame.target in config.sids:
                outer[51:54] = network
            return bytes(outer) + tail + inner
        case Edit.ECHO_REPLY:
            start = m[6:12] + own_mac + m[12:21] + b"\x40" + own_address + m[22:38]
            return start + b"\x81\x00" + checksum + m[58:e]
        case Edit.ADVERT:
            to_all = frame.flow >> 19 & 1
            mac = bytes.fromhex("333300000001") if to_all else m[6:12]
            dst = bytes.fromhex("ff02") + bytes(13) + b"\x01" if to_all else m[22:38]
            header = mac + own_mac + bytes.fromhex("86dd6000000000203aff") + own_address + dst
            flags = bytes.fromhex("20000000" if to_all else "60000000")
            return header + b"\x88\x00" + checksum + flags + own_address + b"\x02\x01" + own_mac
    raise AssertionError(frame.edit)


def restored(frame: Frame) -> bytes:
    """The destination that a tenant's group address stands for, or the one that the frame has."""
    mac, octet = frame.octets[frame.start : frame.start + 6], bytes((frame.group_octet,))
    return {
        GroupAddress.NONE: mac,
        GroupAddress.IPV4: b"\x01\x00\x5e" + octet + mac[4:],
        GroupAddress.IPV6: b"\x33\x33" + octet + mac[3:],
        GroupAddress.BROADCAST: b"\xff\xff\xff" + mac[3:],
    }[frame.group]


def expand(frame: Frame, config: Config, fabric: bool) -> tuple[list[bytes], bool]:
    """All copies of a frame, and whether it is too big for the members of its list."""
    copies, too_big = replicate(frame, config, fabric)
    return [edit(copy, config) for copy in copies], too_big


def told(frame: Frame, config: Config, fabric: bool) -> list[tuple[int, int]]:
    """What the counters are told of all copies: TEP or tenant, and octets."""
    return [
        (copy.target if fabric else copy.tenant, len(edit(copy, config)))
        for copy in replicate(frame, config, fabric)[0]
        if not fabric or copy.edit == Edit.ENCAP
    ]


def replicate(frame: Frame, config: Config, fabric: bool) -> tuple[list[Frame], bool]:
    """A frame of its own for each copy, and whether it is too big for the members of its list."""
    if not frame.is_list:
        return [frame], False
    members = config.lists.get(frame.target, ())
    if not fabric:
        decap = frame.edit in (Edit.DECAP, Edit.DECAP_IPV4, Edit.DECAP_IPV6)
        kind = frame.edit if decap else Edit.RETAG
        kept = [vid for vid in members if not (frame.exclude and vid == frame.exclude_vid)]
        return [replace(frame, edit=kind, target=vid) for vid in kept], False
    packet = 40 + frame.end - frame.start - 4 * frame.tagged
    kept = [tep for tep in members if packet + config.modes.get(tep, PLAIN)[0].overhead <= config.mtu]
    copies = [replace(frame, edit=Edit.ENCAP, target=tep) for tep in kept]
    return copies, len(kept) < len(members)


class Memory:
    """Packet memory as its contract says; a released frame's cells turn to garbage at once."""

    def __init__(self, params: Params, rng: random.Random):
        self.params = params
        self.rng = rng
        self.free = list(range(1, params.cells))
        rng.shuffle(self.free)
        self.cells = [rng.randbytes(CELL_BYTES) for _ in range(params.cells)]
        self.links = [0] * params.cells
        self.frames: dict[int, list[int]] = {}

    def store(self, octets: bytes) -> int | None:
        count = -(-len(octets) // CELL_BYTES)
        if count > len(self.free):
            return None
        cells = [self.free.pop(0) for _ in range(count)]
        for index, cell in enumerate(cells):
            self.cells[cell] = octets[index * CELL_BYTES :][:CELL_BYTES].ljust(CELL_BYTES, b"\xee")
            self.links[cell] = cells[index + 1] if index + 1 < count else 0
        self.frames[cells[0]] = cells
        return cells[0]

    def release(self, head: int) -> None:
        for cell in self.frames.pop(head):
            self.cells[cell] = self.rng.randbytes(CELL_BYTES)
            self.links[cell] = self.rng.randrange(self.params.cells)
            self.free.append(cell)

    def read(self, cell: int, word: int) -> tuple[int, int]:
        size = self.params.word_bytes
        octets = self.cells[cell][word * size : (word + 1) * size]
        return int.from_bytes(octets, "little"), self.links[cell]


@dataclass
class Run:
    """What came out."""

    frames: list[bytes] = field(default_factory=list)
    words: list[list[int]] = field(default_factory=list)
    """Clock numbers of each frame's words."""
    enqueued: list[int] = field(default_factory=list)
    told: list[tuple[int, int]] = field(default_factory=list)
    """What the counters were told."""
    releases: int = 0
    too_big: int = 0


class Bench:
    """One :class:`EgressPort` in the simulator.

    ``grant``, ``take``, ``offer``: probabilities per clock that memory grants, the output takes a word, and a
    descriptor is offered.
    """

    def __init__(self, params: Params, port: int, config: Config, *, grant=1.0, take=1.0, offer=1.0, seed=1):
        self.params, self.config = params, config
        self.dut = EgressPort(params, port)
        self.fabric = params.is_fabric(port)
        self.grant, self.take, self.offer = grant, take, offer
        self.rng = random.Random(seed)
        self.run_of = Run()

    async def transfer(self, ctx, bus, index: int, value: int | None = None):
        """One write, or a read that returns the entry as an integer."""
        ctx.set(bus.index, index)
        if value is None:
            ctx.set(bus.r_stb, 1)
        else:
            ctx.set(bus.w_data.as_value(), value)
            ctx.set(bus.w_stb, 1)
        strobe = bus.r_stb if value is None else bus.w_stb
        for _ in range(10_000):
            _, _, done = await ctx.tick().sample(bus.done)
            ctx.set(strobe, 0)
            if done:
                return ctx.get(bus.r_data.as_value())
        raise AssertionError("the table does not answer")

    async def transfer_words(self, ctx, bus, index: int, value: int | None = None):
        """The same word by word."""
        words = 0
        ctx.set(bus.index, index)
        for word in range(OuterHeader.as_shape().size // 32):
            ctx.set(bus.word, word)
            if value is None:
                ctx.set(bus.r_stb, 1)
            else:
                ctx.set(bus.w_data, value >> 32 * word & 0xFFFFFFFF)
                ctx.set(bus.w_stb, 1)
            strobe = bus.r_stb if value is None else bus.w_stb
            for _ in range(10_000):
                _, _, done = await ctx.tick().sample(bus.done)
                ctx.set(strobe, 0)
                if done:
                    break
            else:
                raise AssertionError("the table does not answer")
            words |= ctx.get(bus.r_data) << 32 * word
        return words

    async def configure(self, ctx):
        config, dut = self.config, self.dut
        if self.fabric:
            ctx.set(dut.mac, config.mac)
            ctx.set(dut.address, config.address)
            ctx.set(dut.mtu, config.mtu)
            for index, value in config.outers.items():
                await self.transfer_words(ctx, dut.outer, index, value)
            for index in config.modes.keys() | config.sids:
                kind, fixed = config.modes.get(index, PLAIN)
                fields = {"encapsulation": kind, "dscp_fixed": fixed, "sid_function": index in config.sids}
                mode = TepMode.const(fields).as_bits()
                await self.transfer(ctx, dut.modes, index, mode)
                assert await self.transfer(ctx, dut.modes, index) == mode
        base = 0
        for index, members in config.lists.items():
            for offset, target in enumerate(members):
                entry = ListMember.const({"target": target, "last": offset == len(members) - 1})
                await self.transfer(ctx, dut.members, base + offset, entry.as_bits())
            if members:
                head = ListHead(self.params).const({"valid": 1, "base": base})
                await self.transfer(ctx, dut.heads, index, head.as_bits())
            base += len(members)
        assert base <= self.params.members

    async def clock(self, ctx, frames: list[Frame], copies: int):
        """All streams of the port, clock by clock, until everything is out."""
        dut, rng, run = self.dut, self.rng, self.run_of
        memory = Memory(self.params, rng)
        layout = Descriptor(self.params)
        waiting = deque(frames)
        pipe: deque = deque([None] * (READ_LATENCY - 1))
        offered = None
        grant = take = released_ready = told_ready = 0
        current = bytearray()
        stamps: list[int] = []
        stalled = None
        clock = 0
        lengths: deque[int] = deque()
        idle = 0
        while waiting or offered or len(run.frames) < copies or memory.frames or idle < 40:
            sample = ctx.tick().sample(
                dut.enqueue.ready,
                dut.read.request.valid,
                dut.read.request.payload,
                dut.output.valid,
                dut.output.payload,
                dut.release.valid,
                dut.release.payload,
                dut.sent.valid,
                dut.sent.octets,
                *([dut.too_big] if self.fabric else []),
                *([dut.sent_to.valid, dut.sent_to.payload] if dut.counts else []),
            )
            _, _, ready, asks, request, valid, word, releases, head, sent, octets, *more = await sample
            clock += 1
            assert clock < 400_000, "the port hangs"
            if offered is not None and ready:
                run.enqueued.append(clock)
                offered = None
                ctx.set(dut.enqueue.valid, 0)
            # Descriptors are two clocks apart.
            elif offered is None and waiting and rng.random() < self.offer:
                head_of_new = memory.store(waiting[0].octets)
                if head_of_new is not None:
                    offered = waiting.popleft()
                    ctx.set(dut.enqueue.valid, 1)
                    ctx.set(dut.enqueue.payload, layout.const(offered.descriptor(layout, head_of_new)))

            pipe.append(memory.read(request.cell, request.word) if asks and grant else None)
            response = pipe.popleft()
            ctx.set(dut.read.valid, response is not None)
            if response is not None:
                ctx.set(dut.read.data, response[0])
                ctx.set(dut.read.next_cell, response[1])
            else:
                ctx.set(dut.read.data, rng.getrandbits(self.params.width))

            if dut.counts:
                if more[-2] and told_ready:
                    run.told.append((more[-1].index, more[-1].octets))
                told_ready = rng.random() < self.take
                ctx.set(dut.sent_to.ready, told_ready)
            if releases and released_ready:
                memory.release(head)
                run.releases += 1

            if sent:
                assert lengths.popleft() == octets
            run.too_big += more[0] if self.fabric else 0
            if stalled is not None:
                assert valid and word.as_bits() == stalled, "the output changed while it was stalled"
            stalled = word.as_bits() if valid and not take else None
            if valid and take:
                assert not word.error
                count = word.count
                assert 1 <= count <= self.params.word_bytes
                assert word.last or count == self.params.word_bytes
                current += word.data.to_bytes(self.params.word_bytes, "little")[:count]
                stamps.append(clock)
                if word.last:
                    run.frames.append(bytes(current))
                    run.words.append(stamps)
                    lengths.append(len(current))
                    current, stamps = bytearray(), []
            idle = 0 if valid or asks else idle + 1

            grant = rng.random() < self.grant
            take = rng.random() < self.take
            released_ready = rng.random() < max(0.3, self.take)
            ctx.set(dut.read.request.ready, grant)
            ctx.set(dut.output.ready, take)
            ctx.set(dut.release.ready, released_ready)
        assert not current and not lengths

    def run(self, frames: list[Frame], *others) -> Run:
        """Send ``frames``; check every copy, every release, every event. ``others``: further test benches."""
        expected, too_big, to_counters = [], 0, []
        for frame in frames:
            copies, big = expand(frame, self.config, self.fabric)
            expected += copies
            too_big += big
            to_counters += [
                traffic for traffic in told(frame, self.config, self.fabric) if traffic[0] < self.dut.counts
            ]

        async def main(ctx):
            await self.configure(ctx)
            await self.clock(ctx, frames, len(expected))

        self.simulate(main, *others)
        assert len(self.run_of.frames) == len(expected)
        for number, (got, wanted) in enumerate(zip(self.run_of.frames, expected, strict=True)):
            assert got == wanted, f"frame {number}"
        assert self.run_of.releases == len(frames)
        assert self.run_of.too_big == too_big
        assert self.run_of.told == (to_counters if self.dut.counts else [])
        return self.run_of

    def simulate(self, main, *others):
        simulator = Simulator(self.dut)
        simulator.add_clock(8e-9)
        simulator.add_testbench(main)
        for other in others:
            simulator.add_testbench(other)
        simulator.run()


class Kit:
    """Everything above, and random frames."""

    Bench, Config, Frame, Params, Edit = Bench, Config, Frame, Params, Edit
    expand = staticmethod(expand)

    @staticmethod
    def outers(
        rng: random.Random,
        params: Params,
        modes: dict[int, tuple[Encapsulation, bool]] | None = None,
    ) -> dict[int, int]:
        """Headers of some TEPs that agree with their modes."""
        modes = modes or {}
        return {
            tep: outer_header(
                next_hop=rng.getrandbits(48),
                mac=rng.getrandbits(48),
                source=rng.getrandbits(128),
                destination=rng.getrandbits(104) << 24,
                hop_limit=rng.randrange(1, 256),
                encapsulation=modes.get(tep, PLAIN)[0],
                dscp=rng.randrange(64) if modes.get(tep, PLAIN)[1] else 0,
            )
            for tep in (0, 1, 5, params.teps - 1)
        }

    @staticmethod
    def modes(params: Params) -> dict[int, tuple[Encapsulation, bool]]:
        """All kinds of them."""
        return {
            1: (Encapsulation.ETHERIP, True),
            5: (Encapsulation.NVGRE, False),
            params.teps - 1: (Encapsulation.VXLAN, True),
        }

    @staticmethod
    def frame(rng: random.Random, edit: Edit, start: int, length: int, config: Config, **more) -> Frame:
        """A frame of ``length`` octets behind ``start`` that need not be what the edit's name says."""
        if edit in (Edit.ECHO_REPLY, Edit.ADVERT):
            start = 54
        end = start + length
        fields = {
            "octets": rng.randbytes(end + rng.choice((0, 0, 1, 7))),
            "edit": edit,
            "start": start,
            "end": end,
            "target": rng.choice(list(config.outers) or [0]) if edit == Edit.ENCAP else rng.getrandbits(12),
            "tagged": rng.getrandbits(1),
            "pcp_dei": rng.getrandbits(4),
            "exclude_vid": rng.getrandbits(12),
            "traffic_class": rng.getrandbits(8),
            "flow": rng.getrandbits(20),
            "network": rng.getrandbits(24),
            "group": rng.choice(GROUPS.get(edit, (GroupAddress.NONE,))),
            "group_octet": rng.getrandbits(8),
        }
        return Frame(**(fields | more))


@pytest.fixture
def kit():
    return Kit
