"""Comparison of keys, split over two clocks."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Shape, ShapeLike, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .gates import gate, tree

__all__ = ["Candidate", "Comparator", "Matcher"]

_CHUNK = 8
"""Bits that are compared in the first clock: two levels of four-input tables."""


class Candidate(data.StructLayout):
    """A stored key with its value."""

    def __init__(self, key_bits: int, value: ShapeLike):
        super().__init__({"valid": 1, "key": key_bits, "value": value})


def _any(*bits: Any) -> Any:
    return reduce(or_, bits)


class Comparator(wiring.Component):
    """Whether two keys differ: ``differs`` comes one clock behind ``key`` and ``other``, two levels of logic
    behind registers. It is high without ``valid``; with ``force``, whatever the key and ``valid``, it is low.
    """

    def __init__(self, key_bits: int):
        self.key_bits = key_bits
        super().__init__(
            {
                "valid": In(1),
                "force": In(1),
                "key": In(key_bits),
                "other": In(key_bits),
                "differs": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # High where they differ, as the reset inputs of registers need it that are to hold 0 then.
        pairs = [
            gate(
                m,
                platform,
                lambda a, b, c=0, d=0: (a ^ b) | (c ^ d),
                [
                    bit
                    for n in range(low, min(low + 2, self.key_bits))
                    for bit in (self.key[n], self.other[n])
                ],
            )
            for low in range(0, self.key_bits, 2)
        ]
        pairs.append(~self.valid)
        step = _CHUNK // 2
        chunks = [pairs[low : low + step] for low in range(0, len(pairs), step)]
        parts = Signal(len(chunks), reset_less=True)
        for part, chunk in zip(parts, chunks, strict=True):
            m.d.sync += part.eq(gate(m, platform, _any, chunk))
        with m.If(self.force):
            m.d.sync += parts.eq(0)
        m.d.comb += self.differs.eq(tree(m, platform, _any, list(parts)))
        return m


class Matcher(wiring.Component):
    """Exact match of ``key`` against ``candidates``, one key per clock, 2 clocks.

    ``matches``  one bit per candidate that is valid and holds the key.
    ``hit``      any of them. Forced to 0 by ``enable`` low.
    ``value``    of the candidate that matches, 0 without a hit. Several may match only if their values are
                 equal.
    """

    LATENCY = 2

    def __init__(self, key_bits: int, value: ShapeLike, count: int):
        if key_bits < 1 or count < 1:
            raise ValueError(f"key_bits and count must be at least 1, not {key_bits} and {count}")
        self.key_bits = key_bits
        self.value_shape = value
        self.count = count
        super().__init__(
            {
                "enable": In(1),
                "key": In(key_bits),
                "candidates": In(Candidate(key_bits, value)).array(count),
                "hit": Out(1),
                "matches": Out(count),
                "value": Out(value),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        equal = []
        values = []
        for index, candidate in enumerate(self.candidates):
            m.submodules[f"compare{index}"] = compare = Comparator(self.key_bits)
            value = Signal(Shape.cast(self.value_shape).width, name=f"value{index}")
            m.d.comb += [
                compare.key.eq(self.key),
                compare.other.eq(candidate.key),
                compare.valid.eq(candidate.valid & self.enable),
            ]
            m.d.sync += value.eq(Value.cast(candidate.value))
            equal.append(~compare.differs)
            values.append(value)
        selected = 0
        for match, value in zip(equal, values, strict=True):
            selected = selected | value & match.replicate(len(value))
        m.d.sync += [
            self.matches.eq(Cat(equal)),
            self.hit.eq(Cat(equal).any()),
            Value.cast(self.value).eq(selected),
        ]
        return m
