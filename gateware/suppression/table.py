"""The addresses that the controller knows, searched piece by piece."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..params import Params
from ..tables.bus import WORD_BITS, WordBus
from ..tables.hash import SEED_BITS, HashUnit
from ..tables.memory import BLOCK_RAM_LATENCY, BlockRAM
from .tables import KnownEntry, known_geometry

__all__ = ["KnownTable"]

_ADDRESS_UNITS = 8
_HALVES = 16
"""16-bit pieces of an entry's place, of which these mean something:"""
_TENANT_HALF = _ADDRESS_UNITS
_MAC_HALVES = range(10, 13)
_VALID_HALF = 13
_COMPARE_CLOCKS = BLOCK_RAM_LATENCY + 1
"""From the address of a half to its comparison."""


class KnownTable(wiring.Component):
    """MAC address of the VM with an IP address, found by a search that takes its time: entry by entry of the key's
    buckets, 16 bits per clock, whole keys. At most 150 clocks, of which the host's transfers wait for the end.

    Members
    -------
    bus
        The host's access to the slots (:func:`.tables.known_geometry`). A search sees an entry before or after a write.
    seed
        Of the hash. Must not change while the table holds entries.
    start
        Strobe: search; while ``ready``.
    ready
        Neither searching nor serving the host.
    tenant, is_ipv6
        Of the key; stay until ``done``.
    at, unit
        Unit of the address: 0 has its first octets, of an IPv6 address, and 6 of an IPv4 address; told a clock later.
    mac
        Strobe: unit ``number`` of the MAC address, 0 has its first octets. They count if there is a hit in the end.
    done, hit
        Strobe: the search is over. ``hit`` stays until the next one.
    """

    def __init__(self, params: Params):
        self.params = params
        self.geometry = known_geometry(params)
        super().__init__(
            {
                "bus": In(WordBus(KnownEntry, self.geometry.depth)),
                "seed": In(SEED_BITS),
                "start": In(1),
                "ready": Out(1),
                "tenant": In(params.tenant_bits),
                "is_ipv6": In(1),
                "at": Out(range(_ADDRESS_UNITS)),
                "unit": In(16),
                "mac": Out(
                    wiring.Signature(
                        {"valid": Out(1), "number": Out(range(len(_MAC_HALVES))), "value": Out(16)}
                    )
                ),
                "done": Out(1),
                "hit": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        geometry, bus = self.geometry, self.bus
        rows_per_entry = _HALVES * 16 // WORD_BITS
        row_bits = ceil_log2(rows_per_entry)
        m.submodules.ram = ram = BlockRAM(WORD_BITS, geometry.depth * rows_per_entry)
        m.submodules.hash = hashed = HashUnit(geometry.hash.function)
        m.d.comb += hashed.seed.eq(self.seed)

        # The entry that the host is writing, until its last word.
        m.submodules.staged = staged = Memory(shape=WORD_BITS, depth=rows_per_entry, init=[])
        stage, staged_row = staged.write_port(), staged.read_port(domain="comb")
        m.d.comb += [stage.addr.eq(bus.word), stage.data.eq(bus.w_data), stage.en.eq(bus.w_stb)]
        copy_pending, read_pending = Signal(), Signal()
        m.d.sync += bus.done.eq(0)
        with m.If(bus.w_stb):
            with m.If(bus.word == -(-Shape.cast(KnownEntry).width // WORD_BITS) - 1):
                m.d.sync += copy_pending.eq(1)
            with m.Else():
                m.d.sync += bus.done.eq(1)
        with m.If(bus.r_stb):
            m.d.sync += read_pending.eq(1)

        count = Signal(range(max(ram.depth, geometry.choices * geometry.slots * _HALVES)))
        clearing, reading, searching = Signal(), Signal(), Signal()
        half, slot, choice = (
            count[:4],
            count[4 : 4 + ceil_log2(geometry.slots)],
            count[4 + ceil_log2(geometry.slots)],
        )
        bucket = Mux(choice, hashed.index[1], hashed.index[0])
        m.d.comb += [
            ram.r_addr.eq(
                Mux(reading, Cat(bus.word[:row_bits], bus.index), Cat(half[1:], slot, bucket, choice)),
            ),
            staged_row.addr.eq(count),
        ]
        m.d.sync += [
            ram.w_en.eq(clearing),
            ram.w_addr.eq(count),
            ram.w_data.eq(0),
            count.eq(count + 1),
        ]
        comes = Signal(BLOCK_RAM_LATENCY)
        m.d.sync += comes.eq(Cat(reading, comes))
        with m.If(comes[-1]):
            m.d.sync += [bus.r_data.eq(ram.r_data), bus.done.eq(1)]

        with m.FSM():
            with m.State("CLEAR"):
                m.d.comb += clearing.eq(1)
                with m.If(count == ram.depth - 1):
                    m.next = "IDLE"
            with m.State("IDLE"):
                m.d.sync += count.eq(0)
                m.d.comb += self.ready.eq(~copy_pending & ~read_pending)
                with m.If(copy_pending):
                    m.next = "COPY"
                # The row written last is a clock behind.
                with m.Elif(read_pending & ~ram.w_en):
                    m.next = "READ"
                with m.Elif(self.start & ~read_pending):
                    m.next = "HASH"
            with m.State("COPY"):
                m.d.sync += [
                    ram.w_en.eq(1),
                    ram.w_addr.eq(Cat(count[:row_bits], bus.index)),
                    ram.w_data.eq(staged_row.data),
                ]
                with m.If(count == rows_per_entry - 1):
                    m.d.sync += [copy_pending.eq(0), bus.done.eq(1)]
                    m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += reading.eq(1)
                m.d.sync += read_pending.eq(0)
                m.next = "IDLE"
            with m.State("HASH"):
                with m.If(count == _ADDRESS_UNITS + HashUnit.LATENCY):
                    m.d.sync += [count.eq(0), self.hit.eq(0)]
                    m.next = "SEARCH"
            with m.State("SEARCH"):
                m.d.comb += searching.eq(1)
                with m.If(count == geometry.choices * geometry.slots * _HALVES - 1):
                    m.d.sync += count.eq(0)
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                with m.If(count == _COMPARE_CLOCKS):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"

        # Addresses are hashed from their first octets on, stored with their last ones first.
        m.d.comb += self.at.eq(Mux(searching, ~half, half))
        leading = Signal()  # of an IPv4 address: zeros
        m.d.sync += leading.eq(~self.is_ipv6 & (self.at < _ADDRESS_UNITS - 2))
        unit = Signal(16)
        m.d.comb += unit.eq(Mux(leading, 0, self.unit))
        self._fold(m, hashed.key, unit, count, searching)
        self._compare(m, ram.r_data, unit, half, searching)
        return m

    def _top(self):
        """What precedes the address in the key."""
        return Cat(self.tenant, Const(0, 12 - len(self.tenant)), self.is_ipv6)

    def _fold(self, m: Module, key, unit, count, searching):
        """:meth:`~..tables.halved.FoldedHash.fold`, from the key's topmost word on: with each word, those above it are
        turned once more."""
        turned = key.rotate_left(self.geometry.hash.TURN)
        with m.If(searching):
            pass
        with m.Elif(count == 0):
            m.d.sync += key.eq(self._top())
        with m.Elif(count <= _ADDRESS_UNITS):
            # The unit asked for a clock ago.
            m.d.sync += key.eq(Mux(count[0], turned ^ Cat(Const(0, 16), unit), key ^ unit))

    def _compare(self, m: Module, row, unit, half, searching):
        at = half
        valid = searching
        key = unit
        for stage in range(_COMPARE_CLOCKS):
            later_at, later_valid = Signal(4, name=f"at{stage}"), Signal(name=f"valid{stage}")
            m.d.sync += [later_at.eq(at), later_valid.eq(valid)]
            before, (at, valid) = at, (later_at, later_valid)
            if stage:
                later_key = Signal(16, name=f"key{stage}")
                m.d.sync += later_key.eq(Mux(before[3], self._top(), key) if stage == 1 else key)
                key = later_key
        stored = Signal(16)
        m.d.sync += stored.eq(Mux(before[0], row[16:], row[:16]))

        same = Signal()
        with m.If(at == 0):
            m.d.sync += same.eq(stored == key)
        with m.Elif(at <= _TENANT_HALF):
            m.d.sync += same.eq(same & (stored == key))
        with m.If(valid & (at == _VALID_HALF)):
            m.d.sync += self.hit.eq(self.hit | (same & stored[0]))
        m.d.comb += [
            self.mac.valid.eq(valid & same & ~self.hit & (at >= _MAC_HALVES.start) & (at < _MAC_HALVES.stop)),
            self.mac.number.eq(_MAC_HALVES.stop - 1 - at),
            self.mac.value.eq(stored),
        ]
