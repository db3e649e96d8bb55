"""Exact-match table for keys that are too wide to be compared at once: halves on consecutive clocks."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..delay import DelayLine
from .access import TableAccess
from .bus import TableBus
from .hash import SEED_BITS, HashFunction, HashUnit
from .match import Candidate
from .memory import BLOCK_RAM_LATENCY, BlockRAM

__all__ = ["FoldedHash", "HalvedTable"]

_FOLDED_BITS = 32
_CHUNK = 16
"""Bits that are compared in the first clock."""


class FoldedHash:
    """:class:`HashFunction` over the XOR of a wide key's words of 32 bits, each rotated by its place.

    Keys with the same fold share all their buckets. Only for tables whose keys the operator chooses: whoever
    could choose them freely would find such keys.
    """

    TURN = 7
    """Rotation of a word of the key against the one below it: addresses often repeat a number in several words."""

    def __init__(self, key_bits: int, index_bits: int, choices: int):
        if key_bits % _FOLDED_BITS:
            raise ValueError(f"key_bits must be a multiple of {_FOLDED_BITS}, not {key_bits}")
        self.key_bits = key_bits
        self.function = HashFunction(_FOLDED_BITS, index_bits, choices)

    def fold(self, key: Any) -> Any:
        """The words put together; on integers and on values of gateware alike."""
        mask = (1 << _FOLDED_BITS) - 1
        result = 0
        for number in range(self.key_bits // _FOLDED_BITS):
            word = key >> number * _FOLDED_BITS & mask
            turn = number * self.TURN % _FOLDED_BITS
            result = result ^ (word << turn | word >> _FOLDED_BITS - turn) & mask
        return result

    def index(self, key: int, seed: int, choice: int) -> int:
        """The bucket of ``key`` under ``choice``."""
        if not 0 <= key < 1 << self.key_bits:
            raise ValueError(f"key must have {self.key_bits} bits, not {key:#x}")
        return self.function.index(self.fold(key), seed, choice)


class HalvedTable(wiring.Component):
    """``choices`` x ``buckets`` entries in block RAM, each in two words: one half of the key in each.

    ``input``       ``valid`` in every other clock at most; ``key`` stays for two clocks.
    ``output``      ``LATENCY`` clocks later: ``valid``, ``hit`` and ``value`` (0 without a hit). Registered.
    ``slots_bus``   entry ``choice * buckets + bucket``: {valid, key, value}. Both halves are written on
                    consecutive clocks, as they are read, so that a lookup sees an entry before or after a
                    write, no mixture.
    ``ready``       all entries are invalid; ``2 * buckets`` clocks after reset. Nothing hits before.
    ``seed``        of the hash. Must not change while the table holds entries.

    The host (:mod:`opentep.host.cuckoo`) chooses the slots by :class:`FoldedHash`. A key may be in two slots
    while it moves, with equal values. The host reads in pairs of clocks without a lookup; lookups that leave
    none stop it.
    """

    _FOLD_STAGES = 1
    _HASH_STAGES = 2
    _ADDRESS_STAGES = _FOLD_STAGES + _HASH_STAGES
    """Clocks from a key to the address of its first half."""
    LATENCY = _ADDRESS_STAGES + BLOCK_RAM_LATENCY + 1 + 2
    """The second half a clock later; two clocks to compare."""

    def __init__(self, key_bits: int, value: ShapeLike, buckets: int, *, choices: int = 2):
        if buckets < 2 or buckets & (buckets - 1):
            raise ValueError(f"buckets must be a power of two, not {buckets}")
        if choices < 1 or choices & (choices - 1):
            raise ValueError(f"choices must be a power of two, not {choices}")
        self.key_bits = key_bits
        self.half_bits = key_bits // 2
        self.buckets = buckets
        self.choices = choices
        self.entry = Candidate(key_bits, value)
        self.hash = FoldedHash(key_bits, ceil_log2(buckets), choices)
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "ready": Out(1),
                "input": In(wiring.Signature({"valid": Out(1), "key": Out(key_bits)})),
                "output": Out(wiring.Signature({"valid": Out(1), "hit": Out(1), "value": Out(value)})),
                "slots_bus": In(TableBus(self.entry, choices * buckets)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.hash = hashed = HashUnit(self.hash.function)
        m.submodules.access = access = TableAccess(
            self.entry, self.choices * self.buckets, clear_depth=2 * self.buckets
        )
        wiring.connect(m, wiring.flipped(self.slots_bus), access.bus)
        bus = self.slots_bus
        host_bucket = bus.index[: ceil_log2(self.buckets)]
        host_choice = bus.index[len(host_bucket) :]

        # A lookup or read of the host starts; bit n is n + 1 clocks behind. Each takes two clocks.
        valid = Signal(self.LATENCY)
        reading = Signal(self._ADDRESS_STAGES + 1)
        read_starts = access.read & ~self.input.valid & ~valid[0] & ~reading.any()
        m.d.sync += [
            valid.eq(valid << 1 | self.input.valid),
            # A lookup that comes in the second clock of a read takes it away; the read starts again.
            reading.eq(Cat(read_starts, reading[0] & ~self.input.valid, reading[1:])),
        ]

        folded = Signal(_FOLDED_BITS)
        direct = Signal()
        with m.If(self.input.valid):
            m.d.sync += [folded.eq(self.hash.fold(self.input.key)), direct.eq(0)]
        with m.Elif(read_starts):
            m.d.sync += direct.eq(1)
        at = self._ADDRESS_STAGES - 1
        second = Signal()
        m.d.comb += second.eq(valid[at + 1] | reading[at + 1])
        m.d.comb += [
            hashed.seed.eq(self.seed),
            hashed.key.eq(folded),
            hashed.direct.eq(direct),
            hashed.direct_index.eq(host_bucket),
        ]

        # The host's write follows the rhythm of lookups: the first half in a clock in which none reads its first.
        writing = Signal()  # the second half
        write_starts = access.write & ~valid[at] & ~writing
        m.d.sync += writing.eq(write_starts)
        m.d.comb += [
            access.grant.eq(Mux(access.write, writing, reading[at + 1])),
            self.ready.eq(access.ready),
        ]
        word = Candidate(self.half_bits, self.entry["value"].shape)
        write_word = Signal(word)
        halves = [bus.w_data.key[: self.half_bits], bus.w_data.key[self.half_bits :]]
        m.d.comb += [
            write_word.valid.eq(bus.w_data.valid & ~access.clearing),
            write_word.key.eq(Mux(writing, halves[1], halves[0])),
            Value.cast(write_word.value).eq(Value.cast(bus.w_data.value)),
        ]

        m.submodules.key_line = key_line = DelayLine(self.half_bits, self._ADDRESS_STAGES + BLOCK_RAM_LATENCY)
        key = self.input.key
        m.d.comb += key_line.input.eq(Mux(self.input.valid, key[: self.half_bits], key[self.half_bits :]))
        words = []
        hits = []
        for choice in range(self.choices):
            m.submodules[f"ram_{choice}"] = ram = BlockRAM(word, 2 * self.buckets)
            m.d.comb += [
                ram.r_en.eq(1),
                ram.r_addr.eq(Cat(second, hashed.index[choice])),
                ram.w_en.eq(access.clearing | ((write_starts | writing) & (host_choice == choice))),
                ram.w_addr.eq(Mux(access.clearing, access.clear_index, Cat(writing, host_bucket))),
                ram.w_data.eq(write_word),
            ]
            hits.append(self._compare(m, choice, ram.r_data, key_line.output, access.ready))
            words.append(ram.r_data)

        m.d.sync += [
            self.output.hit.eq(Cat(hit for hit, _ in hits).any()),
            self.output.valid.eq(valid[-2]),
        ]
        value = Value.cast(0)
        for hit, stored in hits:
            value |= stored & hit.replicate(len(stored))
        m.d.sync += Value.cast(self.output.value).eq(value)

        # The host's read: the first half waits for the second.
        read = word(Array(Value.cast(stored) for stored in words)[host_choice])
        first = Signal(self.half_bits)
        m.d.sync += first.eq(read.key)
        m.d.comb += [
            access.data.valid.eq(read.valid),
            access.data.key.eq(Cat(first, read.key)),
            Value.cast(access.data.value).eq(Value.cast(read.value)),
        ]
        return m

    def _compare(self, m: Module, choice: int, stored, key: Value, ready: Value) -> tuple[Value, Value]:
        """Whether both halves are equal, and the value; right two clocks after the second half."""
        chunks = range(0, self.half_bits, _CHUNK)
        part = Signal(len(chunks) + 1, name=f"part{choice}")
        value = Signal.like(Value.cast(stored.value), name=f"value{choice}")
        first = Signal(name=f"first{choice}")
        for bit, low in enumerate(chunks):
            m.d.sync += part[bit].eq(key[low : low + _CHUNK] == stored.key[low : low + _CHUNK])
        m.d.sync += [
            part[-1].eq(stored.valid & ready),
            value.eq(Value.cast(stored.value)),
            first.eq(part.all()),
        ]
        return part.all() & first, value
