"""Block RAM at full speed, and tables made of it."""

from amaranth.hdl import (
    Array,
    ClockSignal,
    Elaboratable,
    Instance,
    Module,
    Mux,
    Shape,
    ShapeLike,
    Signal,
    Value,
)
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..target import is_ecp5
from .access import TableAccess
from .bus import TableBus

__all__ = ["BLOCK_RAM_LATENCY", "BlockRAM", "LookupPort", "TableMemory", "dp16kd_tiling"]

BLOCK_RAM_LATENCY = 2
"""Clocks from a read address to its data."""

_LUT_RAM_BITS = 1024
"""A sixteenth of a DP16KD: sixteen TRELLIS_DPR16X4, and a multiplexer of about half their size."""
_COMPARED_BITS = 2
_DP16KD_ASPECTS = {36: 512, 18: 1024, 9: 2048, 4: 4096, 2: 8192, 1: 16384}
"""Width to depth of one DP16KD (Lattice FPGA-TN-02204)."""


def dp16kd_tiling(width: int, depth: int, *, max_rows: int | None = None) -> tuple[int, int, int]:
    """How :class:`BlockRAM` is built from DP16KD: width of a tile, number of columns, number of rows.

    The fewest RAMs with at most ``max_rows``; of equals the fewest rows, since rows need a multiplexer behind
    the output registers.
    """

    def cost(aspect: tuple[int, int]) -> tuple[int, int]:
        rows = -(-depth // aspect[1])
        return -(-width // aspect[0]) * rows, rows

    aspects = [item for item in _DP16KD_ASPECTS.items() if max_rows is None or cost(item)[1] <= max_rows]
    if not aspects:
        raise ValueError(f"{depth} words need more than {max_rows} rows")
    tile = min(aspects, key=cost)
    return tile[0], -(-width // tile[0]), -(-depth // tile[1])


class _DP16KD(Elaboratable):
    """One DP16KD, written through port A, read through port B, both output registers in use.

    Port A is ``width`` bits wide, so is B. At 36 bits the two ports' data pins are used together: the A pins
    carry the lower half of the word, the B pins the upper one.
    """

    def __init__(self, width: int, *, w_en: Value, w_addr: Value, w_data: Value, r_en: Value, r_addr: Value):
        self.width = width
        self.w_en = w_en
        self.w_addr = w_addr
        self.w_data = w_data
        self.r_en = r_en
        self.r_addr = r_addr
        self.r_data = Signal(width)

    def elaborate(self, platform) -> Module:
        m = Module()
        # Addresses are left-aligned on 14 bits. At 18 and 36 bits the lowest ones are
        # byte enables when writing.
        unused = 14 - ceil_log2(_DP16KD_ASPECTS[self.width])
        lanes = self.width // 9
        w_addr = Signal(14)
        r_addr = Signal(14)
        m.d.comb += [
            w_addr[unused:].eq(self.w_addr),
            w_addr[:unused].eq((1 << lanes) - 1 if lanes > 1 else 0),
            r_addr[unused:].eq(self.r_addr),
        ]
        w_data = Signal(36)
        r_data = Signal(36)
        m.d.comb += w_data.eq(self.w_data)
        m.d.comb += self.r_data.eq(r_data if self.width == 36 else r_data[18:])
        ports = {}
        for bit in range(14):
            ports[f"i_ADA{bit}"] = w_addr[bit]
            ports[f"i_ADB{bit}"] = r_addr[bit]
        for bit in range(18):
            ports[f"i_DIA{bit}"] = w_data[bit]
            ports[f"i_DIB{bit}"] = w_data[18 + bit]
            ports[f"o_DOA{bit}"] = r_data[bit]
            ports[f"o_DOB{bit}"] = r_data[18 + bit]
        for bit in range(3):
            ports[f"i_CSA{bit}"] = 0
            ports[f"i_CSB{bit}"] = 0
        m.submodules.ram = Instance(
            "DP16KD",
            p_DATA_WIDTH_A=self.width,
            p_DATA_WIDTH_B=self.width,
            p_REGMODE_A="OUTREG",
            p_REGMODE_B="OUTREG",
            p_RESETMODE="SYNC",
            p_ASYNC_RESET_RELEASE="SYNC",
            p_CSDECODE_A="0b000",
            p_CSDECODE_B="0b000",
            p_CLKAMUX="CLKA",
            p_CLKBMUX="CLKB",
            p_WRITEMODE_A="NORMAL",
            p_WRITEMODE_B="NORMAL",
            p_GSR="DISABLED",
            i_CLKA=ClockSignal(),
            i_CLKB=ClockSignal(),
            i_CEA=self.w_en,
            i_WEA=1,
            i_OCEA=1,
            i_RSTA=0,
            i_CEB=self.r_en,
            i_WEB=0,
            i_OCEB=1,
            i_RSTB=0,
            **ports,
        )
        return m


class BlockRAM(wiring.Component):
    """Simple dual port RAM of ``depth`` words of ``shape``.

    One write and one read per clock. ``r_data`` belongs to the ``r_addr`` given exactly two clocks earlier
    with ``r_en``; where ``r_en`` was low, it is what it was the clock before. There is no collision logic: a
    read in the very clock in which the address is written gives the old or the new word, or a mixture of the
    two; a read one clock later gives the new word. Callers must cope. Contents after reset are undefined.

    Up to :data:`_LUT_RAM_BITS`, which would waste a block, it is LUT RAM between two registers. On ECP5
    (:func:`opentep.gateware.target.is_ecp5`) anything larger is :func:`dp16kd_tiling` DP16KD with their own output
    registers, which yosys does not infer; elsewhere a memory with a register behind it.
    """

    def __init__(self, shape: ShapeLike, depth: int, *, max_rows: int | None = None):
        if depth < 2:
            raise ValueError(f"depth must be at least 2, not {depth}")
        self.shape = shape
        self.depth = depth
        self.max_rows = max_rows
        super().__init__(
            {
                "w_en": In(1),
                "w_addr": In(range(depth)),
                "w_data": In(shape),
                "r_en": In(1, init=1),
                "r_addr": In(range(depth)),
                "r_data": Out(shape),
            }
        )

    def elaborate(self, platform) -> Module:
        if Shape.cast(self.shape).width * self.depth <= _LUT_RAM_BITS:
            return self._distributed()
        return self._ecp5() if is_ecp5(platform) else self._generic()

    def _distributed(self) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=self.shape, depth=self.depth, init=[], attrs={"ram_style": "distributed"}
        )
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        enabled = Signal()
        m.d.comb += [
            write.en.eq(self.w_en),
            write.addr.eq(self.w_addr),
            Value.cast(write.data).eq(Value.cast(self.w_data)),
        ]
        # A RAM of several rows has logic behind it: there are registers on both sides.
        m.d.sync += enabled.eq(self.r_en)
        with m.If(self.r_en):
            m.d.sync += read.addr.eq(self.r_addr)
        with m.If(enabled):
            m.d.sync += Value.cast(self.r_data).eq(Value.cast(read.data))
        return m

    def _generic(self) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.shape, depth=self.depth, init=[])
        write = memory.write_port()
        read = memory.read_port()
        m.d.comb += [
            write.en.eq(self.w_en),
            write.addr.eq(self.w_addr),
            Value.cast(write.data).eq(Value.cast(self.w_data)),
            read.en.eq(self.r_en),
            read.addr.eq(self.r_addr),
        ]
        m.d.sync += Value.cast(self.r_data).eq(Value.cast(read.data))
        return m

    def _ecp5(self) -> Module:
        m = Module()
        tile, columns, rows = dp16kd_tiling(Shape.cast(self.shape).width, self.depth, max_rows=self.max_rows)
        tile_bits = ceil_log2(_DP16KD_ASPECTS[tile])
        w_data = Value.cast(self.w_data)
        r_data = Value.cast(self.r_data)
        w_row = self.w_addr[tile_bits:]
        r_row = self.r_addr[tile_bits:]
        words = []
        for row in range(rows):
            word = Signal(len(r_data), name=f"row{row}")
            words.append(word)
            for column in range(columns):
                bits = slice(column * tile, min((column + 1) * tile, len(r_data)))
                m.submodules[f"ram_{row}_{column}"] = ram = _DP16KD(
                    tile,
                    w_en=self.w_en & (w_row == row),
                    w_addr=self.w_addr[:tile_bits],
                    w_data=w_data[bits],
                    r_en=self.r_en,
                    r_addr=self.r_addr[:tile_bits],
                )
                m.d.comb += word[bits].eq(ram.r_data)
        if rows == 1:
            m.d.comb += r_data.eq(words[0])
        else:
            # The row travels with the data: one register like the RAM's (held with r_en),
            # one like its output's.
            row_read = Signal(range(rows))
            row_out = Signal(range(rows))
            with m.If(self.r_en):
                m.d.sync += row_read.eq(r_row)
            m.d.sync += row_out.eq(row_read)
            m.d.comb += r_data.eq(Array(words)[row_out])
        return m


class LookupPort(wiring.Signature):
    """One fixed-latency read per clock: ``data`` belongs to the ``index`` given with
    ``enable`` two clocks earlier."""

    def __init__(self, entry: ShapeLike, depth: int):
        super().__init__({"index": Out(range(depth)), "enable": Out(1), "data": In(entry)})


class TableMemory(wiring.Component):
    """A table of ``depth`` entries in block RAM: the host writes and reads it, one lookup port reads it.

    ``lookup``   :class:`LookupPort`; never waits. ``data`` is undefined where ``enable`` was low.
    ``bus``      :class:`TableBus`. A write replaces the whole entry in one clock, one in which the lookup
                 does not read that very entry, so that lookups see the old or the new entry and never a
                 mixture. A host read waits for a clock without ``lookup.enable``.
    ``ready``    the lowest ``clear`` bits of all entries become zero after reset, which takes ``depth`` clocks;
                 low until then, and the host's transfers wait for it. What else is in them is undefined until
                 they are written.
    """

    def __init__(self, entry: ShapeLike, depth: int, *, clear: int):
        if not 1 <= clear <= Shape.cast(entry).width:
            raise ValueError(f"clear must be from 1 to {Shape.cast(entry).width} bits, not {clear}")
        self.entry = entry
        self.depth = depth
        self.clear = clear
        super().__init__(
            {
                "bus": In(TableBus(entry, depth)),
                "lookup": In(LookupPort(entry, depth)),
                "ready": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bus, lookup = self.bus, self.lookup
        m.submodules.ram = ram = BlockRAM(self.entry, self.depth)
        m.submodules.access = access = TableAccess(self.entry, self.depth, clear_depth=self.depth)
        wiring.connect(m, wiring.flipped(bus), access.bus)
        # Two bits of the index tell other entries often enough, and sooner than all.
        other = ~lookup.enable | (lookup.index[:_COMPARED_BITS] != bus.index[:_COMPARED_BITS])
        m.d.comb += [
            access.grant.eq(Mux(access.write, other, ~lookup.enable)),
            Value.cast(access.data).eq(Value.cast(ram.r_data)),
            self.ready.eq(access.ready),
            ram.w_en.eq(access.clearing | (access.write & other)),
            ram.w_addr.eq(Mux(access.clearing, access.clear_index, bus.index)),
            Value.cast(ram.w_data).eq(Value.cast(bus.w_data)),
            ram.r_en.eq(lookup.enable | access.read),
            ram.r_addr.eq(Mux(lookup.enable, lookup.index, bus.index)),
            Value.cast(lookup.data).eq(Value.cast(ram.r_data)),
        ]
        with m.If(access.clearing):
            m.d.comb += Value.cast(ram.w_data)[: self.clear].eq(0)
        return m
