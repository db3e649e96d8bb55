"""Gates: the table instantiated for ECP5 is the function that is simulated."""

import random
from functools import reduce
from operator import or_, xor

import pytest
from amaranth.hdl import Elaboratable, Fragment, Module, Signal
from amaranth.sim import Simulator
from opentep.gateware.tables import gates
from opentep.gateware.tables.gates import gate, tree
from opentep.gateware.target import Ecp5Target


class BehaviouralLut4(Elaboratable):
    """Takes the arguments of the ``Instance`` in whose place it stands."""

    count = 0

    def __init__(self, cell, **arguments):
        assert cell == "LUT4"
        self.args = arguments
        BehaviouralLut4.count += 1

    def elaborate(self, platform):
        m = Module()
        index = [self.args[f"i_{pin}"] for pin in "ABCD"]
        content = self.args["p_INIT"]
        for value in range(16):
            if content.value >> value & 1:
                matches = [pin == (value >> n & 1) for n, pin in enumerate(index)]
                with m.If(reduce(lambda a, b: a & b, matches)):
                    m.d.comb += self.args["o_Z"].eq(1)
        return m


class _Tree(Elaboratable):
    def __init__(self, function, width):
        self.function = function
        self.input = Signal(width)
        self.output = Signal()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.output.eq(
            tree(m, platform, lambda *bits: reduce(self.function, bits), list(self.input))
        )
        return m


@pytest.mark.parametrize("ecp5", [False, True])
@pytest.mark.parametrize("function", [or_, xor])
@pytest.mark.parametrize("width,tables", [(1, 0), (2, 1), (4, 1), (5, 2), (8, 3), (12, 4), (13, 4), (30, 10)])
def test_tree(width, tables, function, ecp5, monkeypatch):
    monkeypatch.setattr(gates, "Instance", BehaviouralLut4)
    BehaviouralLut4.count = 0
    rng = random.Random(width)
    dut = _Tree(function, width)

    async def bench(ctx):
        for value in [0, *(1 << bit for bit in range(width)), *(rng.getrandbits(width) for _ in range(50))]:
            ctx.set(dut.input, value)
            assert ctx.get(dut.output) == reduce(function, (value >> bit & 1 for bit in range(width)))

    sim = Simulator(Fragment.get(dut, Ecp5Target() if ecp5 else None))
    sim.add_testbench(bench)
    sim.run()
    assert BehaviouralLut4.count == (tables if ecp5 else 0)


def test_too_many_inputs():
    m = Module()
    with pytest.raises(ValueError, match="from 1 to 4 inputs"):
        gate(m, None, lambda *bits: 0, [Signal() for _ in range(5)])
    Fragment.get(m, None)
