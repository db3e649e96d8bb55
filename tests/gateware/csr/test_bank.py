"""The register bank against a plain dictionary of words."""

import random

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import data, enum
from amaranth.sim import Simulator
from opentep.gateware.csr.bank import Bank
from opentep.gateware.csr.element import Access, Register, Table
from opentep.gateware.csr.memory_map import Builder


class Colour(enum.Enum, shape=2):
    RED = 0
    BLUE = 2


class Wide(data.Struct):
    key: 60
    colour: Colour
    tail: 10


FLAGS = data.StructLayout({"a": 1, "b": 5})


def small_map():
    builder = Builder()
    with builder.cluster("id"):
        builder.add("magic", Register(32, "Magic.", access=Access.READ, constant=0x12345678))
    with builder.cluster("port", 2):
        builder.add("mac", Register(48, "MAC.", reset=0xAABBCCDDEEFF))
        builder.add("mtu", Register(14, "MTU.", reset=1500))
        builder.add("flags", Register(FLAGS, "Flags.", reset={"b": 9}))
    builder.add("address", Register(128, "Address."))
    builder.add("clock", Register(64, "Clock.", access=Access.READ))
    builder.add("wide", Table(Wide, 6, "Three words, a depth that is no power of two."))
    builder.add("narrow", Table(12, 16, "One word."), count=2)
    builder.add("one", Table(data.StructLayout({"a": 40}), 1, "One entry."))
    builder.add("hidden", Table(33, 4, "Write only.", access=Access.WRITE))
    builder.add("counters", Table(64, 4, "Read only.", access=Access.READ))
    builder.add("long", Table(130, 4, "Five words, one at a time.", by_word=True))
    return builder.as_memory_map()


def start(dut, bench, *, seed=1, reset=None):
    """Run ``bench(ctx, bus)`` against the bank with tables that answer after a random number of clocks."""
    rng = random.Random(seed)
    contents = {}
    top = Module()
    top.submodules.dut = dut if reset is None else ResetInserter(reset)(dut)
    sim = Simulator(top)
    sim.add_clock(1e-8)

    def serve(resource):
        interface = dut.member(resource)
        table = resource.element
        store = contents[resource.name] = [rng.getrandbits(table.width) for _ in range(table.depth)]
        staged = [0] * table.words

        async def process(ctx):
            def value(port):
                return port.as_value() if hasattr(port, "as_value") else port

            await ctx.tick()
            while True:
                w, r = ctx.get(interface.w_stb), ctx.get(interface.r_stb)
                assert not (w and r)
                if w or r:
                    index, word = ctx.get(interface.index), ctx.get(value(interface.w_data))
                    assert index < table.depth
                    number = ctx.get(interface.word) if table.by_word else None
                    delay = rng.choice([0, 0, 1, 5])
                    for _ in range(delay):
                        await ctx.tick()
                        assert not ctx.get(interface.w_stb) and not ctx.get(interface.r_stb)
                        assert ctx.get(interface.index) == index
                        assert not w or ctx.get(value(interface.w_data)) == word
                    if number is not None:
                        if w:
                            staged[number] = word
                            if number == table.words - 1:
                                store[index] = sum(part << 32 * k for k, part in enumerate(staged))
                        else:
                            ctx.set(interface.r_data, store[index] >> 32 * number & 0xFFFFFFFF)
                    elif w:
                        store[index] = word
                    else:
                        ctx.set(value(interface.r_data), store[index])
                    ctx.set(interface.done, 1)
                    await ctx.tick()
                    ctx.set(interface.done, 0)
                    continue
                await ctx.tick()

        return process

    for resource in dut.memory_map.tables:
        sim.add_testbench(serve(resource), background=True)

    async def testbench(ctx):
        await bench(ctx, dut.bus, contents)

    sim.add_testbench(testbench)
    sim.run()


async def transfer(ctx, bus, address, data=None):
    ctx.set(bus.addr, address)
    ctx.set(bus.w_stb, data is not None)
    ctx.set(bus.r_stb, data is None)
    ctx.set(bus.w_data, data or 0)
    for _ in range(400):
        _, _, ack, word, error = await ctx.tick().sample(bus.ack, bus.r_data, bus.error)
        if ack:
            ctx.set(bus.w_stb, 0)
            ctx.set(bus.r_stb, 0)
            return word, error
    raise AssertionError("no answer")


async def read(ctx, bus, resource, index=0):
    element = resource.element
    value = 0
    for k in range(element.words):
        word, error = await transfer(ctx, bus, resource.start + index * element.stride + k)
        assert not error
        value |= word << 32 * k
    return value


async def write(ctx, bus, resource, value, index=0):
    element = resource.element
    for k in range(element.words):
        address = resource.start + index * element.stride + k
        assert await transfer(ctx, bus, address, value >> 32 * k & 0xFFFFFFFF) == (0, 0)


def test_registers_read_back_and_drive_the_core():
    dut = Bank(small_map())

    async def bench(ctx, bus, _contents):
        memory_map = dut.memory_map
        assert await read(ctx, bus, memory_map["id.magic"]) == 0x12345678
        assert await read(ctx, bus, memory_map["port[1].mac"]) == 0xAABBCCDDEEFF
        assert await read(ctx, bus, memory_map["port[0].flags"]) == 9 << 1
        rng = random.Random(3)
        expected = {}
        for resource in memory_map.registers:
            if resource.element.access is Access.READ_WRITE:
                expected[resource.name] = rng.getrandbits(resource.element.width)
                await write(ctx, bus, resource, expected[resource.name])
        for name, value in expected.items():
            assert await read(ctx, bus, memory_map[name]) == value
        assert ctx.get(dut.port[1].mac) == expected["port[1].mac"]
        assert ctx.get(dut.port[0].flags.b) == expected["port[0].flags"] >> 1
        assert ctx.get(dut.address) == expected["address"]
        assert await transfer(ctx, bus, memory_map["id.magic"].start, 5) == (0, 1)

    start(dut, bench)


def test_wide_registers_change_at_once_and_are_read_as_a_snapshot():
    dut = Bank(small_map())

    async def bench(ctx, bus, _contents):
        memory_map = dut.memory_map
        mac, clock = memory_map["port[0].mac"].start, memory_map["clock"].start
        assert await transfer(ctx, bus, mac, 0x11111111) == (0, 0)
        assert ctx.get(dut.port[0].mac) == 0xAABBCCDDEEFF
        assert await read(ctx, bus, memory_map["port[0].mac"]) == 0xAABBCCDDEEFF
        assert await transfer(ctx, bus, mac + 1, 0x2222) == (0, 0)
        assert ctx.get(dut.port[0].mac) == 0x222211111111
        ctx.set(dut.clock, 0xFFFFFFFF)
        assert await transfer(ctx, bus, clock) == (0xFFFFFFFF, 0)
        ctx.set(dut.clock, 0x100000000)
        assert await transfer(ctx, bus, clock + 1) == (0, 0)

    start(dut, bench)


def test_bits_that_a_register_does_not_have_are_read_as_zeros():
    dut = Bank(small_map())

    async def bench(ctx, bus, _contents):
        for resource in dut.memory_map.registers:
            if resource.element.access is Access.READ_WRITE:
                await write(ctx, bus, resource, -1)
                assert await read(ctx, bus, resource) == (1 << resource.element.width) - 1

    start(dut, bench)


@pytest.mark.parametrize("clock", [None, *range(3, 14)])
def test_a_reset_brings_all_registers_back(clock):
    """Also one in a ``clock`` of the write of a register's last word."""
    dut, reset = Bank(small_map()), Signal()

    async def bench(ctx, bus, _contents):
        registers = [r for r in dut.memory_map.registers if r.element.access is Access.READ_WRITE]
        for resource in registers:
            await write(ctx, bus, resource, ~resource.element.reset)
        if clock is not None:
            ctx.set(bus.addr, dut.memory_map["address"].start + 3)
            ctx.set(bus.w_stb, 1)
            await ctx.tick().repeat(clock)
            ctx.set(bus.w_stb, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        for resource in registers:
            assert await read(ctx, bus, resource) == resource.element.reset
        assert ctx.get(dut.port[0].mtu) == 1500

    start(dut, bench, reset=reset)


def registers_map(*widths, constant=None):
    builder = Builder()
    if constant is not None:
        builder.add("constant", Register(constant, "Of the build.", access=Access.READ, constant=3))
    for index, width in enumerate(widths):
        builder.add(f"r{index}", Register(width, "Some.", reset=index % 2))
    builder.add("table", Table(20, 4, "One word."))
    return builder.as_memory_map()


@pytest.mark.parametrize(
    "memory_map",
    [
        registers_map(),
        registers_map(7),
        registers_map(32, 1, 20),
        registers_map(32, 20, constant=96),
        registers_map(constant=64),
        registers_map(*[1 + 37 * k % 160 for k in range(40)]),
    ],
)
def test_registers_of_any_map(memory_map):
    dut = Bank(memory_map)

    async def bench(ctx, bus, contents):
        rng = random.Random(len(memory_map.registers))
        expected = {resource.name: resource.element.reset for resource in memory_map.registers}
        for _ in range(5 * len(expected)):
            resource = rng.choice(memory_map.registers)
            if resource.name != "constant" and rng.random() < 0.5:
                expected[resource.name] = rng.getrandbits(resource.element.width)
                await write(ctx, bus, resource, expected[resource.name])
                assert ctx.get(dut.member(resource)) == expected[resource.name]
            assert await read(ctx, bus, resource) == expected[resource.name]
        await write(ctx, bus, memory_map["table"], 0xABCDE, 3)
        assert contents["table"][3] == await read(ctx, bus, memory_map["table"], 3) == 0xABCDE

    start(dut, bench)


def test_broken_order_commits_nothing():
    dut = Bank(small_map())

    async def bench(ctx, bus, contents):
        memory_map = dut.memory_map
        wide, mac = memory_map["wide"], memory_map["port[0].mac"]
        before = list(contents["wide"])
        assert await transfer(ctx, bus, wide.start, 1) == (0, 0)
        assert await transfer(ctx, bus, wide.start + 2, 1) == (0, 1)
        assert await transfer(ctx, bus, wide.start + 4, 1) == (0, 0)
        assert await transfer(ctx, bus, mac.start, 1) == (0, 0)
        assert await transfer(ctx, bus, wide.start + 5, 1) == (0, 1)
        assert await transfer(ctx, bus, wide.start + 6, 1) == (0, 1)
        assert contents["wide"] == before
        assert ctx.get(dut.port[0].mac) == 0xAABBCCDDEEFF

    start(dut, bench)


@pytest.mark.parametrize("seed", range(3))
def test_random_access(seed):
    """Whole entries in any order read back; holes, read-only and write-only elements report errors."""
    dut = Bank(small_map())

    async def bench(ctx, bus, contents):
        rng = random.Random(seed)
        memory_map = dut.memory_map
        owners = {}
        for resource in memory_map:
            element = resource.element
            for index in range(getattr(element, "depth", 1)):
                for k in range(element.words):
                    owners[resource.start + index * element.stride + k] = resource
        end = max(resource.end for resource in memory_map) + 40
        for address in [a for a in range(end) if a not in owners] + [1 << 19, (1 << 20) - 1]:
            assert await transfer(ctx, bus, address) == (0, 1)
            assert await transfer(ctx, bus, address, 0xFFFFFFFF) == (0, 1)
        for _ in range(300):
            resource = rng.choice(memory_map.tables)
            table = resource.element
            index = rng.randrange(table.depth)
            if rng.random() < 0.5:
                if table.access.readable:
                    assert await read(ctx, bus, resource, index) == contents[resource.name][index]
                else:
                    assert await transfer(ctx, bus, resource.start) == (0, 1)
            elif table.access.writable:
                value = rng.getrandbits(table.width)
                await write(ctx, bus, resource, value, index)
                assert contents[resource.name][index] == value
            else:
                assert await transfer(ctx, bus, resource.start, 1) == (0, 1)
            for _ in range(rng.choice([0, 0, 3])):
                await ctx.tick()

    start(dut, bench, seed=seed)
