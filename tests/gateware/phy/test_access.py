# amaranth: UnusedElaboratable=no
"""The host's commands on their way to the PHYs, and the link's state on its way between clock domains."""

import random

import pytest
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from opentep.gateware.phy.commands import MdioCommand, MdioResult, PhyCommands
from opentep.gateware.phy.link import LinkState, LinkSynchronizer
from opentep.gateware.phy.mdio import MdioResponse
from opentep.gateware.phy.router import PhyRouter


class _Commands(wiring.Component):
    """Command register to buses."""

    def __init__(self, ports):
        self.router = PhyRouter(ports)
        super().__init__(
            {
                "command": In(MdioCommand),
                "result": Out(MdioResult),
                "buses": Out(self.router.signature.members["buses"].signature).array(len(ports)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.commands = commands = PhyCommands()
        m.submodules.router = router = self.router
        wiring.connect(m, commands.phys, router.host)
        for inner, outer in zip(router.buses, self.buses, strict=True):
            wiring.connect(m, inner, wiring.flipped(outer))
        m.d.comb += [commands.command.eq(self.command), self.result.eq(commands.result)]
        return m


@pytest.mark.parametrize("ports", [(), (1,), (2,), (1, 1), (3, 2, 4)])
def test_commands_find_their_bus(ports):
    rng = random.Random(len(ports))
    dut = _Commands(ports)
    owner = [(bus, port) for bus, count in enumerate(ports) for port in range(count)]
    seen, done = [], []

    def bus_process(bus):
        pins = dut.buses[bus]

        async def run(ctx):
            while not done:
                await ctx.tick().repeat(rng.randrange(1, 6))
                if not ctx.get(pins.request.valid):
                    continue
                request = ctx.get(pins.request.payload)
                ctx.set(pins.request.ready, 1)
                await ctx.tick()
                ctx.set(pins.request.ready, 0)
                await ctx.tick().repeat(rng.randrange(1, 30))
                answer = {"data": rng.getrandbits(16), "answered": rng.getrandbits(1)}
                seen.append(
                    (bus, *(int(request[name]) for name in ("port", "register", "write", "data")), answer)
                )
                ctx.set(pins.response.payload, MdioResponse.const(answer))
                ctx.set(pins.response.valid, 1)
                assert ctx.get(pins.response.ready)
                await ctx.tick()
                ctx.set(pins.response.valid, 0)

        return run

    async def bench(ctx):
        for number in range(1, 150):
            port = rng.randrange(sum(ports) + 2)
            command = {
                "port": port,
                "register": rng.randrange(32),
                "write": rng.getrandbits(1),
                "data": rng.getrandbits(16),
                "number": number % 64,
            }
            ctx.set(dut.command, MdioCommand.const(command))
            (result,) = await ctx.tick().sample(dut.result).until(dut.result.number == number % 64)
            if port < len(owner):
                bus, local, register, write, data, answer = seen.pop()
                assert (bus, local) == owner[port]
                assert (register, write, data) == (command["register"], command["write"], command["data"])
                assert {"data": result.data, "answered": result.answered} == answer
            else:
                assert not result.answered
            assert not seen
            await ctx.tick().repeat(rng.choice((1, 20)))
        done.append(True)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    for bus in range(len(ports)):
        sim.add_testbench(bus_process(bus))
    sim.run()


def test_too_many_ports():
    with pytest.raises(ValueError, match="at most 16 ports, not 17"):
        PhyRouter((9, 8))


@pytest.mark.parametrize("period", [0.4, 1.0001, 3.7])
def test_link_state_is_never_a_mixture(period):
    """Whatever the periods are, and though each bit may arrive up to a clock later than the others."""
    rng = random.Random(1)
    m = Module()
    m.domains.other = ClockDomain(reset_less=True)
    m.submodules.dut = dut = LinkSynchronizer()
    source, late = Signal(LinkState), Signal(4)
    m.d.other += [late.eq(source.as_value())]
    skew = Signal(4)
    m.d.comb += dut.input.as_value().eq((source.as_value() & ~skew) | (late & skew))
    states = [0]

    async def change(ctx):
        for _ in range(60):
            state = rng.randrange(16)
            states.append(state)
            ctx.set(source.as_value(), state)
            ctx.set(skew, rng.randrange(16))
            await ctx.tick("other").repeat(max(int(12 / period), 4))
            assert ctx.get(dut.output.as_value()) == state

    async def watch(ctx):
        async for _, _, shown in ctx.tick().sample(dut.output.as_value()):
            assert shown in states[-2:]

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_clock(period * 1e-6, domain="other")
    sim.add_testbench(change)
    sim.add_testbench(watch, background=True)
    sim.run()
