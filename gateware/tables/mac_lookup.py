"""The lookup pipeline of the MAC table, with room for its engine in idle clocks."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from .hash import SEED_BITS, HashUnit
from .mac_entry import WAYS, MacEntry, MacKey, StoredMac, bucket, bucket_bits, direct_index, mac_hash
from .match import Comparator
from .memory import BLOCK_RAM_LATENCY, BlockRAM

__all__ = ["MacLookup", "MacLookupSignature", "MacPass"]

_ADDRESS = HashUnit.LATENCY
"""Clocks from a key to the address inputs of the RAMs."""
_COMPARE = _ADDRESS + BLOCK_RAM_LATENCY
"""Clocks from a key to the stored keys that it is compared with."""
_LATENCY = _COMPARE + 2


class MacLookupSignature(wiring.Signature):
    """Keys in."""

    def __init__(self, params: Params):
        super().__init__({"valid": Out(1), "key": Out(MacKey(params))})


class MacPass(wiring.Signature):
    """The engine's way into the table: passes through the pipeline, one at a time, between the lookups.

    A pass goes to the slots of ``key``, or with ``direct`` to ``bucket`` in all ways. All its fields are
    stable from the request on until ``done``.

    ``granted``  the request was taken: there was no lookup in this clock.
    ``pick``     only ``ways`` are read; the others read as 0, and the key there need not match for ``value``.
    ``store``    ``valid``, ``key`` and ``entry`` are written to ``ways``, in a clock in which no lookup reads.
    ``key_read``  strobe: ``word`` is the key that was picked.
    ``done``     strobe, later. ``matches`` are the ways that hold ``key`` (or were picked), ``value`` is the
                 entry there; not with ``store``.
    ``used``     validity of what was read in each way; stays until the next pass. Not with ``pick``.
    """

    def __init__(self, params: Params):
        key_bits = mac_hash(params).key_bits
        super().__init__(
            {
                "request": Out(1),
                "granted": In(1),
                "key": Out(key_bits),
                "entry": Out(MacEntry),
                "direct": Out(1),
                "bucket": Out(bucket_bits(params)),
                "ways": Out(WAYS),
                "pick": Out(1),
                "store": Out(1),
                "valid": Out(1),
                "key_read": In(1),
                "word": In(key_bits),
                "matches": In(WAYS),
                "value": In(MacEntry),
                "done": In(1),
                "used": In(WAYS),
            }
        )


class MacLookup(wiring.Component):
    """Four ways of block RAM, looked up in parallel: one key per clock, never waits.

    ``output``   ``LATENCY`` clocks behind ``input``: ``valid``, ``hit`` and ``entry`` (0 without a hit), one level
                 of logic behind registers.
    ``enable``   low: no lookup hits.
    ``engine``   :class:`MacPass`: the engine's accesses, in clocks that lookups leave free.

    Entries are read one clock behind the keys, so that they meet the outcome of the comparison.
    """

    LATENCY = _LATENCY

    def __init__(self, params: Params):
        self.params = params
        self.hash = mac_hash(params)
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "enable": In(1),
                "input": In(MacLookupSignature(params)),
                "output": Out(wiring.Signature({"valid": Out(1), "hit": Out(1), "entry": Out(MacEntry)})),
                "engine": In(MacPass(params)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        engine = self.engine
        m.submodules.hash = hashed = HashUnit(self.hash)

        # What travels beside the key: bit n is n clocks behind the input.
        valid = Signal(self.LATENCY + 1)
        passing = Signal(self.LATENCY + 1)
        m.d.comb += [
            valid[0].eq(self.input.valid),
            engine.granted.eq(~self.input.valid),
            passing[0].eq(engine.request & engine.granted),
        ]
        m.d.sync += [valid[1:].eq(valid), passing[1:].eq(passing)]
        key = Signal(self.hash.key_bits)
        m.d.comb += [
            key.eq(Mux(self.input.valid, Value.cast(self.input.key), engine.key)),
            hashed.seed.eq(self.seed),
            hashed.key.eq(key),
            hashed.direct.eq(engine.direct & ~self.input.valid),
            hashed.direct_index.eq(direct_index(engine.bucket)),
        ]
        for stage in range(_COMPARE):
            following = Signal(self.hash.key_bits, name=f"key{stage + 1}")
            m.d.sync += following.eq(key)
            key = following

        # A pass writes to where it read, from the clock behind that on as soon as no lookup reads. That is known
        # a clock before: write enables are registers, they have far to go.
        asks = Signal()
        waits = Signal()
        write = Signal(WAYS)
        late_write = Signal(WAYS)
        wrote = Signal(2)
        m.d.comb += asks.eq(passing[_ADDRESS] & engine.store | waits)
        m.d.sync += [
            waits.eq(asks & valid[_ADDRESS - 1]),
            write.eq(Mux(asks & ~valid[_ADDRESS - 1], engine.ways, 0)),
            late_write.eq(write),
            wrote.eq(Cat(asks & ~valid[_ADDRESS - 1], wrote)),
        ]
        late_index = [Signal.like(index) for index in hashed.index]
        write_index = [Signal.like(index) for index in hashed.index]
        m.d.sync += [new.eq(old) for new, old in zip(late_index, hashed.index, strict=True)]
        with m.If(passing[_ADDRESS]):
            m.d.sync += [new.eq(old) for new, old in zip(write_index, hashed.index, strict=True)]

        # Which ways a pass reads.
        reading = Signal()
        m.d.comb += reading.eq(passing[_COMPARE] & engine.pick)
        missed = Signal(WAYS)
        words = []
        values = []
        for way in range(WAYS):
            # Of one row: there is no time for a multiplexer behind them.
            keys = BlockRAM(StoredMac(self.params), self.params.macs // WAYS, max_rows=1)
            entries = BlockRAM(MacEntry, self.params.macs // WAYS, max_rows=1)
            m.submodules[f"keys{way}"] = keys
            m.submodules[f"entries{way}"] = entries
            m.submodules[f"compare{way}"] = compare = Comparator(self.hash.key_bits)
            word = Signal(self.hash.key_bits, name=f"word{way}", reset_less=True)
            value = Signal(MacEntry, name=f"value{way}", reset_less=True)
            m.d.comb += [
                keys.r_addr.eq(bucket(self.params, hashed.index, way)),
                keys.w_addr.eq(bucket(self.params, write_index, way)),
                keys.w_en.eq(write[way]),
                keys.w_data.key.eq(engine.key),
                keys.w_data.valid.eq(engine.valid),
                entries.r_addr.eq(bucket(self.params, late_index, way)),
                entries.w_addr.eq(bucket(self.params, write_index, way)),
                entries.w_en.eq(late_write[way]),
                Value.cast(entries.w_data).eq(Value.cast(engine.entry)),
                compare.key.eq(key),
                compare.other.eq(keys.r_data.key),
                compare.valid.eq(keys.r_data.valid & self.enable & ~(reading & ~engine.ways[way])),
                compare.force.eq(reading & engine.ways[way]),
            ]
            m.d.sync += [
                word.eq(Mux(reading & engine.ways[way], keys.r_data.key, 0)),
                missed[way].eq(compare.differs),
                Value.cast(value).eq(Mux(compare.differs, 0, Value.cast(entries.r_data))),
            ]
            with m.If(passing[_COMPARE]):
                m.d.sync += engine.used[way].eq(keys.r_data.valid)
            words.append(word)
            values.append(Value.cast(value))

        entry = Value.cast(self.output.entry)
        m.d.comb += [
            entry.eq(values[0] | values[1] | values[2] | values[3]),
            self.output.valid.eq(valid[self.LATENCY]),
            self.output.hit.eq(~missed.all()),
            engine.matches.eq(~missed),
            engine.word.eq(words[0] | words[1] | words[2] | words[3]),
            Value.cast(engine.value).eq(entry),
            engine.key_read.eq(passing[_COMPARE + 1]),
            engine.done.eq(Mux(engine.store, wrote[1], passing[self.LATENCY])),
        ]
        return m
