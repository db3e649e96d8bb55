"""Who drives a wire, through ports, aliases, slices and concatenations, whatever name is left of it."""

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from opentep.boards.hierarchy import Hierarchy
from opentep.boards.wires import Wires


class Register(wiring.Component):
    def __init__(self, domain: str):
        self.domain = domain
        super().__init__({"input": In(4), "value": Out(4)})

    def elaborate(self, platform):
        m = Module()
        m.d[self.domain] += self.value.eq(self.input)
        return m


class Pass(wiring.Component):
    """Swaps halves, in wires alone, beside logic."""

    input: In(4)
    output: Out(4)

    def elaborate(self, platform):
        m = Module()
        gated = Signal(2)
        with m.If(self.input[3]):
            m.d.comb += gated.eq(self.input)
        m.d.comb += [self.output[:2].eq(self.input[2:]), self.output[2:].eq(self.input[:2])]
        return m


class Chain(wiring.Component):
    """source -> swapped -> sink, and two domains, of which one has two names."""

    input: In(4)
    other_clk: In(1)
    output: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.domains.fast = ClockDomain(reset_less=True)
        m.submodules.source = source = Register("fast")
        m.submodules.swapped = swapped = Pass()
        m.submodules.sink = sink = Register("sync")
        clock = Signal()
        m.d.comb += [
            clock.eq(self.other_clk),
            ClockSignal("fast").eq(clock),
            source.input.eq(self.input),
            swapped.input.eq(source.value),
            sink.input.eq(swapped.output),
            self.output.eq(sink.value),
        ]
        return m


def text():
    return rtlil.convert(Chain(), emit_src=False)


def test_the_driver_of_any_name():
    wires = Wires(text())
    for name, index, expected in (
        ("sink.input", 0, ("source", "value", 2)),
        ("sink.input", 3, ("source", "value", 1)),
        ("output", 2, ("sink", "value", 2)),
        ("source.value", 3, ("source", "value", 3)),
        ("swapped.gated", 1, ("swapped", "gated", 1)),
    ):
        bit = wires.bit(name, index)
        assert bit is not None and wires.driver(bit) == expected, name
    assert wires.bit("sink.input", 4) is None and wires.bit("nobody.knows") is None
    assert wires.driver(wires.bit("source.input")) == ("", "input", 0)


def test_clocks_by_their_outermost_name():
    wires = Wires(text())
    assert wires.clock_names(wires.bit("source.fast_clk")) == ("fast_clk",)
    assert wires.clock_names(wires.bit("sink.clk")) == ("clk",)
    assert wires.clock_names(wires.bit("sink.value")) == ()


def test_cells_by_the_names_that_yosys_and_nextpnr_make():
    netlist = {
        "cells": {
            # Yosys kept the name at the far end of the wire.
            "sink.input_TRELLIS_FF_Q_2": {"type": "TRELLIS_FF", "connections": {"Q": [12]}},
            "sink.input_LUT4_A": {"type": "LUT4", "connections": {"Z": [99]}},
            "sink.ram": {"type": "DP16KD", "connections": {}},
        },
        "netnames": {
            "sink.input": {"bits": [12, 13, 10, 11]},
            "clk": {"bits": [1]},
            "made_up": {"bits": [99]},
        },
    }
    hierarchy = Hierarchy(text(), netlist)
    assert hierarchy.component_of("sink.input_TRELLIS_FF_Q_2") == "source"
    assert hierarchy.register_name("sink.input_TRELLIS_FF_Q_2") == "source.value"
    assert hierarchy.component_of("sink.input_LUT4_A$nextpnr") == "source"
    assert hierarchy.component_of("sink.ram") == "sink"
    assert hierarchy.component_of("$nextpnr_made_this") == ""
    assert hierarchy.domain_of("$glbnet$clk") == "sync"
    assert hierarchy.domain_of("unknown") == "unknown"
    areas = {area.name: area for area in hierarchy.sizes("design", 1)}
    assert (areas["design.source"].ff, areas["design.source"].comb) == (1, 1)
    assert (areas["design.sink"].ff, areas["design.sink"].block_rams) == (0, 1)
    assert areas["design"].ff == 1
