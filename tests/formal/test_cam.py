"""Proof that the stash finds what was written into it, and nothing else."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib.wiring import Component, In
from opentep.gateware.tables.cam import Cam
from opentep.sim.formal import ProofError, prove

KEY_BITS, VALUE_BITS, ENTRIES = 3, 2, 3


class CamContract(Component):
    """A key finds the value of the valid entry with it; the host writes at any time but during the lookup.

    ``invalid_too=True`` claims that entries are found even if they are not valid, which is wrong.
    """

    def __init__(self, invalid_too: bool = False):
        self.invalid_too = invalid_too
        super().__init__(
            {
                "write": In(1),
                "index": In(range(ENTRIES)),
                "valid": In(1),
                "entry_key": In(KEY_BITS),
                "entry_value": In(VALUE_BITS),
                "enable": In(1),
                "key": In(KEY_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Cam(KEY_BITS, VALUE_BITS, ENTRIES)
        m.d.comb += [
            dut.enable.eq(self.enable),
            dut.key.eq(self.key),
            dut.bus.w_stb.eq(self.write),
            dut.bus.index.eq(self.index),
            dut.bus.w_data.valid.eq(self.valid),
            dut.bus.w_data.key.eq(self.entry_key),
            dut.bus.w_data.value.eq(self.entry_value),
            Assume(self.index < ENTRIES),
        ]
        wanted_hit, wanted_value = Signal(), Signal(VALUE_BITS)
        for index in range(ENTRIES):
            valid = Signal(name=f"valid{index}")
            key = Signal(KEY_BITS, name=f"key{index}")
            value = Signal(VALUE_BITS, name=f"value{index}")
            with m.If(self.write & (self.index == index)):
                m.d.sync += [valid.eq(self.valid), key.eq(self.entry_key), value.eq(self.entry_value)]
            # The host never writes a key twice.
            m.d.comb += Assume(
                ~(self.write & self.valid & (self.index != index) & valid & (key == self.entry_key))
            )
            with m.If(self.enable & (key == self.key) & (1 if self.invalid_too else valid)):
                m.d.comb += [wanted_hit.eq(1), wanted_value.eq(value)]
        hits, values = [wanted_hit], [wanted_value]
        written = [self.write]
        for clock in range(Cam.LATENCY):
            hit, value = Signal(name=f"hit_{clock}"), Signal(VALUE_BITS, name=f"value_{clock}")
            wrote = Signal(name=f"wrote_{clock}")
            m.d.sync += [hit.eq(hits[-1]), value.eq(values[-1]), wrote.eq(written[-1])]
            hits.append(hit)
            values.append(value)
            written.append(wrote)
        quiet = ~sum(written[1:], written[0]).any()
        started = Signal(range(8))
        m.d.sync += started.eq(Mux(started == 7, 7, started + 1))
        with m.If(quiet & (started > Cam.LATENCY)):
            m.d.comb += [
                Assert(dut.hit == hits[-1]),
                Assert(dut.value == Mux(hits[-1], values[-1], 0)),
            ]
        m.d.comb += Cover(quiet & dut.hit & (dut.value == 3))
        return m


def test_cam():
    prove(CamContract(), depth=9)
    prove(CamContract(), depth=9, mode="cover")


def test_a_false_contract_is_refused():
    with pytest.raises(ProofError, match="Assert failed"):
        prove(CamContract(invalid_too=True), depth=9)
