# amaranth: UnusedElaboratable=no
"""The PHYs of a bus: start-up, links, and the host between."""

import random

import pytest
from amaranth.sim import Simulator
from opentep.gateware.phy.description import PhyDescription, RegisterWrite
from opentep.gateware.phy.gmii import Speed
from opentep.gateware.phy.startup import PhyBus, PhyRequest
from opentep.gateware.phy.status import POLLED, LinkResolver

CLOCK_HZ = 10_000_000
PHY = PhyDescription(
    "test",
    reset_us=30,
    settle_us=20,
    rx_delay_ps=0,
    tx_delay_ps=0,
    writes=(
        RegisterWrite(22, 2),
        RegisterWrite(21, 0x0030, 0x0030),
        RegisterWrite(22, 0),
        RegisterWrite(0, 0x200, 0x200),
    ),
)


def link_of(registers):
    """(up, speed, full_duplex) by IEEE 802.3 from all registers; of a link that is down only that."""
    automatic = registers[0] >> 12 & 1
    if not registers[1] >> 2 & 1 or (automatic and not registers[1] >> 5 & 1):
        return (0,)
    if not automatic:
        return 1, (registers[0] >> 6 & 1) << 1 | registers[0] >> 13 & 1, registers[0] >> 8 & 1
    both = registers[9] & registers[10] >> 2 if registers[1] >> 8 & 1 else 0
    for bit, duplex in ((9, 1), (8, 0)):
        if both >> bit & 1:
            return 1, 2, duplex
    both = registers[4] & registers[5]
    for bit, speed, duplex in ((8, 1, 1), (7, 1, 0), (6, 0, 1), (5, 0, 0)):
        if both >> bit & 1:
            return 1, speed, duplex
    return 1, 0, 0


def random_registers(rng):
    registers = [rng.getrandbits(16) for _ in range(32)]
    registers[1] |= rng.choice((0x24, 0x24, 0x24, 0))
    for register in (4, 5, 9, 10):
        registers[register] &= rng.getrandbits(16) | rng.getrandbits(16)
    if rng.random() < 0.2:
        registers[10] = 0
    if registers[0] >> 12 & 1 == 0 and registers[0] & 0x2040 == 0x2040:
        registers[0] &= ~0x40  # reserved speed
    return registers


def shown(ctx, link):
    up, speed, duplex = ctx.get(link.up), ctx.get(link.as_value()[1:3]), ctx.get(link.full_duplex)
    return (up, speed, duplex) if up else (0,)


@pytest.mark.parametrize("seed", range(2))
def test_resolver(seed):
    rng = random.Random(seed)
    dut = LinkResolver()

    async def bench(ctx):
        for _ in range(400):
            registers = random_registers(rng)
            for register in POLLED:
                ctx.set(dut.strobe, 1)
                ctx.set(dut.register, register)
                ctx.set(dut.value, registers[register.value])
                await ctx.tick()
                ctx.set(dut.strobe, 0)
                ctx.set(dut.value, rng.getrandbits(16))
                await ctx.tick().repeat(rng.randrange(1, 3))
            assert shown(ctx, dut.link) == link_of(registers)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


class Bench:
    """A bus with PHYs on it."""

    def __init__(self, dut, phys, seed):
        self.dut = dut
        self.phys = phys
        self.rng = random.Random(seed)

    def run(self, testbench):
        sim = Simulator(self.dut)
        sim.add_clock(1 / CLOCK_HZ)
        sim.add_testbench(testbench)
        sim.add_testbench(self.phys.process(self.dut.pins), background=True)
        sim.run()

    async def request(self, ctx, port, register, value=None):
        """What the host reads; None if nobody answers."""
        host = self.dut.host
        request = {"port": port, "register": register, "write": value is not None, "data": value or 0}
        ctx.set(host.request.payload, PhyRequest.const(request))
        ctx.set(host.request.valid, 1)
        await ctx.tick().until(host.request.ready)
        ctx.set(host.request.valid, 0)
        await ctx.tick().repeat(self.rng.choice((1, 1000)))
        ctx.set(host.response.ready, 1)
        (response,) = await ctx.tick().sample(host.response.payload).until(host.response.valid)
        ctx.set(host.response.ready, 0)
        return int(response.data) if response.answered else None

    async def polls(self, ctx, count):
        """Until every PHY has been polled so many times."""
        for address in list(self.phys.registers):
            for _ in range(count):
                self.phys.accesses.clear()
                while (address, 5, None) not in self.phys.accesses:
                    await ctx.tick().repeat(100)
        await ctx.tick().repeat(400)

    def links(self, ctx):
        return [shown(ctx, link) for link in self.dut.links]


def up(rng):
    registers = random_registers(rng)
    registers[1] |= 0x24
    registers[2] &= 0x7FFF
    return registers


def make_bench(make_phys, seed, ports, **options):
    phy = PhyDescription(**{**vars(PHY), **options})
    dut = PhyBus(phy, ports, CLOCK_HZ, poll_us=50)
    return Bench(dut, make_phys(CLOCK_HZ, seed), seed)


def test_phys_that_are_never_reset(make_phys):
    """Nothing on the bus until they have settled, then the set-up."""
    bench = make_bench(make_phys, 1, 1, addresses=(3,), reset_us=None)
    phys, dut = bench.phys, bench.dut

    async def testbench(ctx):
        phys.registers = {3: up(bench.rng)}
        for _ in range(200):
            assert not ctx.get(dut.reset) and not ctx.get(dut.pins.mdc)
            await ctx.tick()
        await bench.polls(ctx, 2)
        assert not ctx.get(dut.reset)
        assert phys.registers[3][21] & 0x30 == 0x30
        assert bench.links(ctx) == [link_of(phys.registers[3])]

    bench.run(testbench)


@pytest.mark.parametrize("given", [True, False])
def test_start_up_and_links(given, make_phys):
    """Reset for its time, nothing on the bus before, set-up in order, then links as registers change."""
    addresses = (3, 17)
    bench = make_bench(make_phys, 1, 2, addresses=addresses if given else None)
    phys, dut, rng = bench.phys, bench.dut, bench.rng

    async def testbench(ctx):
        phys.registers = {address: up(rng) for address in addresses}
        old = {address: list(registers) for address, registers in phys.registers.items()}
        for clock in range(300 + 200):
            assert ctx.get(dut.reset) == (clock < 300)
            assert not ctx.get(dut.pins.mdc)
            await ctx.tick()
        await bench.polls(ctx, 1)
        for address in addresses:
            assert phys.registers[address][21] == old[address][21] | 0x30
            assert phys.registers[address][0] == old[address][0] | 0x200
        for _ in range(6):
            await bench.polls(ctx, 1)
            assert bench.links(ctx) == [link_of(phys.registers[address]) for address in addresses]
            for address in rng.sample(addresses, rng.randrange(3)):
                phys.registers[address] = up(rng) if rng.random() < 0.7 else random_registers(rng)
                phys.registers[address][2] &= 0x7FFF
            await bench.polls(ctx, 1)
        # A loss that is over before the poll is seen, for one poll.
        phys.registers[3] = up(rng)
        await bench.polls(ctx, 2)
        assert bench.links(ctx)[0][0] == 1
        phys.link_lost.add(3)
        seen = set()
        for _ in range(100):
            await ctx.tick().repeat(100)
            seen.add(bench.links(ctx)[0][0])
        assert seen == {0, 1}

    bench.run(testbench)


def test_phys_that_all_answer_at_an_address_of_nobody(make_phys):
    bench = make_bench(make_phys, 5, 2, first_address=1)
    phys, rng = bench.phys, bench.rng
    phys.broadcast = 0

    async def testbench(ctx):
        phys.registers = {1: up(rng)}
        await bench.polls(ctx, 3)
        phys.registers[2] = up(rng)
        for _ in range(4):
            await bench.polls(ctx, 2)
            assert bench.links(ctx) == [link_of(phys.registers[address]) for address in (1, 2)]
            phys.registers = {address: up(rng) for address in (1, 2)}
        assert 0 not in {address for address, _, _ in phys.accesses}

    bench.run(testbench)


def test_set_up_is_in_order(make_phys):
    bench = make_bench(make_phys, 2, 1, addresses=(5,))
    bench.phys.registers = {5: up(bench.rng)}
    control, twenty_one = bench.phys.registers[5][0], bench.phys.registers[5][21]

    async def testbench(ctx):
        while len(bench.phys.accesses) < 8:
            await ctx.tick()
        writes = [access for access in bench.phys.accesses if access[2] is not None]
        assert writes == [(5, 22, 2), (5, 21, twenty_one | 0x30), (5, 22, 0), (5, 0, control | 0x200)]

    bench.run(testbench)


def test_host_between_polls(make_phys):
    bench = make_bench(make_phys, 3, 2, writes=())
    phys, rng = bench.phys, bench.rng

    async def testbench(ctx):
        phys.registers = {address: up(rng) for address in (8, 30)}
        assert await bench.request(ctx, 0, 1) is None
        await bench.polls(ctx, 1)
        links = [link_of(registers) for registers in phys.registers.values()]
        for _ in range(40):
            port, register, value = rng.randrange(3), rng.randrange(11, 32), rng.getrandbits(16)
            address = (8, 30, None)[port]
            write = rng.random() < 0.5
            got = await bench.request(ctx, port, register, value if write else None)
            assert (got is None) == (port == 2)
            if address is not None:
                assert phys.registers[address][register] == (value if write else got)
            await ctx.tick().repeat(rng.choice((1, 300)))
            assert bench.links(ctx) == links
        # Without a pause, polls go on.
        phys.accesses.clear()
        for _ in range(12):
            await bench.request(ctx, 0, 20)
        assert len(phys.accesses) > 18

    bench.run(testbench)


@pytest.mark.parametrize("given", [True, False])
def test_phys_come_and_go(given, make_phys):
    """One that is late, or gone for a while, is set up when it answers; the others work meanwhile."""
    bench = make_bench(make_phys, 4, 2, addresses=(2, 9) if given else None)
    phys, rng = bench.phys, bench.rng

    async def testbench(ctx):
        phys.registers = {2: up(rng)}
        await bench.polls(ctx, 2)
        assert [link[0] for link in bench.links(ctx)] == [1, 0]
        phys.registers[9] = up(rng)
        await bench.polls(ctx, 1)
        assert [link[0] for link in bench.links(ctx)] == [1, 1]
        for gone, stays, links in ((2, 9, [0, 1]), (9, 2, [1, 0])):
            del phys.registers[gone]
            await bench.polls(ctx, 2)
            assert [link[0] for link in bench.links(ctx)] == links
            phys.registers[gone] = up(rng)
            phys.registers[gone][21] &= ~0x30
            await bench.polls(ctx, 2)
            assert [link[0] for link in bench.links(ctx)] == [1, 1]
            assert phys.registers[gone][21] & 0x30
            assert stays in phys.registers

    bench.run(testbench)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="value 0x100 has bits outside the mask 0xff"):
        RegisterWrite(0, 0x100, 0xFF)
    with pytest.raises(ValueError, match="register must be from 0 to 31"):
        RegisterWrite(32, 0)
    with pytest.raises(ValueError, match="test has 2 addresses, but there are 1 ports"):
        PhyBus(PhyDescription("test", 1, 1, 0, 0, (0, 1)), 1, CLOCK_HZ)
    with pytest.raises(ValueError, match="an address must be from 0 to 31, not 32"):
        PhyDescription("test", 1, 1, 0, 0, (32,))
    with pytest.raises(ValueError, match="ports must be from 1 to 16"):
        PhyBus(PHY, 0, CLOCK_HZ)
    assert Speed.MBIT_1000.value == 2
