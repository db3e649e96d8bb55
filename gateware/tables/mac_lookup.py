"""The lookup pipeline of the MAC table, with room for its engine in idle clocks."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from .hash import SEED_BITS, HashUnit
from .mac_entry import WAYS, MacEntry, MacKey, MacSlot, StoredMac, mac_hash
from .match import Matcher
from .memory import BLOCK_RAM_LATENCY, BlockRAM

_HASH_STAGES = 3
_KEY_STAGES = _HASH_STAGES + BLOCK_RAM_LATENCY
"""Clocks from a key to the entries that it is compared with."""

__all__ = ["MacLookup", "MacLookupSignature", "MacProbe", "MacWrite"]


class MacLookupSignature(wiring.Signature):
    """Keys in."""

    def __init__(self, params: Params):
        super().__init__({"valid": Out(1), "key": Out(MacKey(params))})


class MacProbe(wiring.Signature):
    """The engine's reads. One at a time; all fields of the request are stable until ``done``.

    A probe by key reads the buckets of ``key``; a probe by slot reads the bucket of ``slot`` in all ways.

    ``granted``  the request was taken: there was no lookup in this clock.
    ``done``     strobe, some clocks later; the answer stays until the next request is granted, but
                 ``matches`` and ``value`` are valid only with ``done``.
    ``index``    the bucket of ``key`` in each way.
    ``used``     validity of the entry read in each way.
    ``entry``    what was read in the way of ``slot``.
    ``matches``  ways that hold ``key``.
    ``value``    the entry of ``key`` there.
    """

    def __init__(self, params: Params):
        function = mac_hash(params)
        super().__init__(
            {
                "request": Out(1),
                "by_slot": Out(1),
                "key": Out(function.key_bits),
                "slot": Out(MacSlot(params)),
                "granted": In(1),
                "done": In(1),
                "index": In(function.index_bits).array(WAYS),
                "used": In(WAYS),
                "entry": In(StoredMac(params)),
                "matches": In(WAYS),
                "value": In(MacEntry),
            }
        )


class MacWrite(wiring.Signature):
    """The engine's writes.

    A write happens one clock after the one of ``request`` and ``granted``, a clock in which no lookup reads;
    ``bucket`` and ``data`` must still be there then.
    """

    def __init__(self, params: Params):
        super().__init__(
            {
                "request": Out(1),
                "ways": Out(WAYS),
                "bucket": Out(mac_hash(params).index_bits),
                "data": Out(StoredMac(params)),
                "granted": In(1),
            }
        )


class MacLookup(wiring.Component):
    """Four ways of block RAM, looked up in parallel: one key per clock, never waits.

    ``output``   ``LATENCY`` clocks behind ``input``: ``valid``, ``hit`` and ``entry`` (0 without a hit).
    ``enable``   low: no lookup hits.
    ``probe``, ``write``   the engine's accesses, in clocks that lookups leave free.
    """

    LATENCY = _KEY_STAGES + Matcher.LATENCY

    def __init__(self, params: Params):
        self.params = params
        self.hash = mac_hash(params)
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "enable": In(1),
                "input": In(MacLookupSignature(params)),
                "output": Out(wiring.Signature({"valid": Out(1), "hit": Out(1), "entry": Out(MacEntry)})),
                "probe": In(MacProbe(params)),
                "write": In(MacWrite(params)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        probe, write = self.probe, self.write
        m.submodules.hash = hashed = HashUnit(self.hash, late_key=True)
        m.submodules.matcher = matcher = Matcher(self.hash.stored_bits, MacEntry, WAYS)

        # What travels beside the key: bit n is n + 1 clocks behind the input.
        valid = Signal(self.LATENCY)
        probing = Signal(self.LATENCY)
        m.d.sync += [
            valid.eq(Cat(self.input.valid, valid)),
            probing.eq(Cat(probe.request & probe.granted, probing)),
        ]
        key = Signal(self.hash.key_bits)
        m.d.comb += [
            probe.granted.eq(~self.input.valid),
            key.eq(Mux(self.input.valid, Value.cast(self.input.key), probe.key)),
            hashed.seed.eq(self.seed),
            hashed.key.eq(key),
            hashed.direct.eq(probe.by_slot & ~self.input.valid),
            hashed.direct_index.eq(probe.slot.bucket),
        ]
        at_address = _HASH_STAGES - 1
        at_data = _KEY_STAGES - 1
        stored = key[self.hash.low_bits :]
        for stage in range(1, _KEY_STAGES + 1):
            behind = Signal(self.hash.stored_bits, name=f"stored{stage}")
            m.d.sync += behind.eq(stored)
            stored = behind

        m.d.comb += write.granted.eq(~valid[at_address - 1])
        read = []
        for way in range(WAYS):
            ram = BlockRAM(StoredMac(self.params), self.params.macs // WAYS)
            m.d.sync += ram.w_en.eq(write.request & write.granted & write.ways[way])
            m.submodules[f"way{way}"] = ram
            m.d.comb += [
                ram.r_en.eq(1),
                ram.r_addr.eq(hashed.index[way]),
                ram.w_addr.eq(write.bucket),
                Value.cast(ram.w_data).eq(Value.cast(write.data)),
                Value.cast(matcher.candidates[way]).eq(Value.cast(ram.r_data)),
            ]
            read.append(ram.r_data)
            with m.If(probing[at_address]):
                m.d.sync += probe.index[way].eq(hashed.index[way])
        with m.If(probing[at_data]):
            m.d.sync += [
                probe.used.eq(Cat(entry.valid for entry in read)),
                Value.cast(probe.entry).eq(Array([Value.cast(entry) for entry in read])[probe.slot.way]),
            ]
        m.d.comb += [
            matcher.key.eq(stored),
            matcher.enable.eq(self.enable),
            probe.done.eq(probing[-1]),
            probe.matches.eq(matcher.matches),
            Value.cast(probe.value).eq(Value.cast(matcher.value)),
            self.output.valid.eq(valid[-1]),
            self.output.hit.eq(matcher.hit),
            Value.cast(self.output.entry).eq(Value.cast(matcher.value)),
        ]
        return m
