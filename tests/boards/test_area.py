# amaranth: UnusedElaboratable=no
"""Sizes of components: what is inside counts, largest first, down to the depth that is asked for."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from opentep.boards.measure import measure_component
from opentep.gateware.tables.memory import BlockRAM


class Counter(wiring.Component):
    def __init__(self, bits: int):
        self.bits = bits
        super().__init__({"step": In(1), "value": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.value.eq(self.value + self.step)
        return m


class Parts(wiring.Component):
    """Two counters of 8 and 20 bits, of which the larger one addresses a block RAM in a part of its own."""

    step: In(1)
    value: Out(36)

    def elaborate(self, platform):
        m = Module()
        m.submodules.small = small = Counter(8)
        m.submodules.large = large = Counter(20)
        m.submodules.memory = memory = BlockRAM(36, 512)
        late = Signal(9)
        m.d.sync += late.eq(large.value)
        m.d.comb += [
            small.step.eq(self.step),
            large.step.eq(self.step),
            memory.w_en.eq(self.step),
            memory.w_addr.eq(small.value),
            memory.w_data.eq(large.value),
            memory.r_addr.eq(late),
            self.value.eq(memory.r_data),
        ]
        return m


def test_sizes():
    whole, large, small, memory, ram = measure_component(Parts(), 2)
    assert [part.name for part in (large, small)] == ["Parts.large", "Parts.small"]
    assert [part.name for part in (memory, ram)] == ["Parts.memory", "Parts.memory.ram_0_0"]
    assert (large.ff, small.ff, memory.ff) == (20, 8, 0)
    assert large.comb >= 20 and small.comb >= 8
    assert (whole.ff, whole.block_rams) == (20 + 8 + 9, 1)
    assert (memory.block_rams, ram.block_rams, large.block_rams) == (1, 1, 0)
    assert whole.comb >= large.comb + small.comb


def test_depth():
    assert [size.name for size in measure_component(Counter(4), 0)] == ["Counter"]
    with pytest.raises(ValueError, match="at least 0"):
        measure_component(Counter(4), -1)
