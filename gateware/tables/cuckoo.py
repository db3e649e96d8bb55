"""Exact-match table whose entries the host places: cuckoo hashing with a stash."""

from amaranth.hdl import Array, Cat, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .access import TableAccess
from .bus import TableBus
from .cam import Cam
from .hash import SEED_BITS, HashFunction, HashUnit
from .match import Candidate, Matcher
from .memory import BLOCK_RAM_LATENCY, BlockRAM

__all__ = ["CuckooTable"]

_HASH_STAGES = 2
_KEY_STAGES = _HASH_STAGES + BLOCK_RAM_LATENCY
"""Clocks from a key to the entries that it is compared with."""


class CuckooTable(wiring.Component):
    """``choices`` x ``buckets`` x ``slots`` entries in block RAM, ``stash`` more in registers.

    ``input``       one key per clock, never waits: ``valid``, ``key``.
    ``output``      ``LATENCY`` clocks later: ``valid``, ``hit``, ``value`` (0 without a hit). One level of
                    logic behind registers.
    ``slots_bus``   entry ``(choice * buckets + bucket) * slots + slot``: {valid, key, value}. Accesses wait
                    for a clock without a key, so that a lookup sees an entry before or after a write, no
                    mixture.
    ``stash_bus``   entry of the stash, looked up whatever the hash.
    ``ready``       all slots are invalid; ``buckets`` clocks after reset. Nothing hits in the slots before.
    ``seed``        of the hash. Must not change while the table holds entries.

    The host (:mod:`opentep.host.cuckoo`) chooses the slots. A key may be in two slots while it moves, with
    equal values. Buckets per choice must be a power of two.
    """

    LATENCY = _KEY_STAGES + Matcher.LATENCY

    def __init__(
        self,
        key_bits: int,
        value: ShapeLike,
        buckets: int,
        *,
        slots: int = 2,
        choices: int = 2,
        stash: int = 4,
    ):
        if buckets < 2 or buckets & (buckets - 1):
            raise ValueError(f"buckets must be a power of two, not {buckets}")
        if slots < 1 or slots & (slots - 1):
            raise ValueError(f"slots must be a power of two, not {slots}")
        if choices < 1:
            raise ValueError(f"choices must be at least 1, not {choices}")
        if stash < 1:
            raise ValueError(f"stash must be at least 1, not {stash}")
        self.key_bits = key_bits
        self.buckets = buckets
        self.slots = slots
        self.choices = choices
        self.stash = stash
        self.entry = Candidate(key_bits, value)
        self.hash = HashFunction(key_bits, ceil_log2(buckets), choices)
        self._cam = Cam(key_bits, value, stash)
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "ready": Out(1),
                "input": In(wiring.Signature({"valid": Out(1), "key": Out(key_bits)})),
                "output": Out(wiring.Signature({"valid": Out(1), "hit": Out(1), "value": Out(value)})),
                "slots_bus": In(TableBus(self.entry, choices * buckets * slots)),
                "stash_bus": In(self._cam.bus.signature.flip()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.hash = hashed = HashUnit(self.hash)
        m.submodules.cam = cam = self._cam
        m.submodules.matcher = matcher = Matcher(
            self.key_bits, self.entry["value"].shape, self.choices * self.slots
        )
        m.submodules.access = access = TableAccess(
            self.entry, self.choices * self.buckets * self.slots, clear_depth=self.buckets
        )
        wiring.connect(m, wiring.flipped(self.slots_bus), access.bus)
        wiring.connect(m, wiring.flipped(self.stash_bus), cam.bus)

        # What travels beside the key: stage n is n clocks behind the input.
        valid = Signal(self.LATENCY)
        m.d.sync += valid.eq(Cat(self.input.valid, valid))
        key = self.input.key
        for stage in range(1, _KEY_STAGES + 1):
            next_key = Signal(self.key_bits, name=f"key{stage}")
            m.d.sync += next_key.eq(key)
            key = next_key
        looking_up = valid[_HASH_STAGES - 1]  # the hash is at the RAMs' address inputs

        host_slot = self.slots_bus.index[: ceil_log2(self.slots)]
        host_bucket = self.slots_bus.index[len(host_slot) :][: self.hash.index_bits]
        host_choice = self.slots_bus.index[len(host_slot) + self.hash.index_bits :]
        # A host read enters where a key would, so that nothing stands between the hash and the RAMs.
        host_read = Signal(_HASH_STAGES)
        m.d.sync += host_read.eq(Cat(access.read & ~self.input.valid, host_read))
        m.d.comb += [
            hashed.seed.eq(self.seed),
            hashed.key.eq(self.input.key),
            hashed.direct.eq(~self.input.valid),
            hashed.direct_index.eq(host_bucket),
            access.grant.eq(Mux(access.write, ~looking_up, host_read[-1])),
            self.ready.eq(access.ready),
        ]
        read = []
        for choice in range(self.choices):
            for slot in range(self.slots):
                ram = BlockRAM(self.entry, self.buckets)
                m.submodules[f"ram_{choice}_{slot}"] = ram
                mine = (host_choice == choice) & (host_slot == slot)
                m.d.comb += [
                    ram.r_en.eq(1),
                    ram.r_addr.eq(hashed.index[choice]),
                    ram.w_en.eq(access.clearing | (access.write & access.grant & mine)),
                    ram.w_addr.eq(host_bucket),
                    Value.cast(ram.w_data).eq(Value.cast(self.slots_bus.w_data)),
                ]
                with m.If(access.clearing):
                    m.d.comb += [ram.w_addr.eq(access.clear_index), ram.w_data.valid.eq(0)]
                m.d.comb += Value.cast(matcher.candidates[len(read)]).eq(Value.cast(ram.r_data))
                read.append(Value.cast(ram.r_data))
        m.d.comb += [
            Value.cast(access.data).eq(Array(read)[Cat(host_slot, host_choice)]),
            matcher.key.eq(key),
            matcher.enable.eq(valid[_KEY_STAGES - 1] & access.ready),
            cam.key.eq(key),
            cam.enable.eq(valid[_KEY_STAGES - 1]),
            self.output.valid.eq(valid[-1]),
            self.output.hit.eq(matcher.hit | cam.hit),
            Value.cast(self.output.value).eq(Value.cast(matcher.value) | Value.cast(cam.value)),
        ]
        return m
