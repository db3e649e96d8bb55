"""The seeded hash of all tables, defined once for the gateware and the host.

A key goes through one of two nonlinear layers and is compressed to an index by a sparse linear map::

    y[j] = key[j] ^ majority(key[j+1], key[j+2], a[j])
    z[j] = key[j] ^ majority(key[j+3], key[j+5], b[j])
    index = XOR of column[j] where y[j] (even choices) or z[j] (odd choices) is 1

``a`` and ``b`` are the seed, rotated by 0 and 29 bits and repeated; bits beyond the highest are 0. A layer is
a bijection whatever the seed, but which other bits follow a flipped key bit depends on the seed, so that
keys cannot be chosen to collide without knowing it: a majority follows one of its inputs if the other one
differs from the seed's bit. Each bit of a layer is one four-input table. Columns are constants of at most three ones, different for each choice; as many neighbours as the
index has bits are linearly independent, so that consecutive keys spread evenly. Choices next to each other
differ in the layer, too: consecutive OUIs differ in so few bits that two linear maps of the same bits pair
the buckets of both choices in small closed groups, which overflow early.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SEED_BITS", "HashFunction", "HashUnit"]

SEED_BITS = 64
_MASK = (1 << SEED_BITS) - 1
_PARITY_INPUTS = 13
"""A parity of so many bits takes four four-input tables in two levels."""


def _splitmix(state: int) -> tuple[int, int]:
    """One step of SplitMix64: new state and output. Only used for constants."""
    state = (state + 0x9E3779B97F4A7C15) & _MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return state, z ^ (z >> 31)


def _columns(count: int, bits: int, choice: int, row_limit: int) -> list[int]:
    """``count`` columns of ``bits`` bits, every ``bits`` neighbours independent.

    Of up to three ones each, but only so many that rows have at most ``row_limit`` ones, if that leaves
    columns at least two on average.
    """
    weight = min(3.0, bits * row_limit / count)
    if weight < 2:
        weight = 2.25
    state = choice << 32 | bits << 16 | count
    load = [0] * bits
    result: list[int] = []
    attempt = 0
    while len(result) < count:
        done = len(result)
        # Another pattern of weights for each choice, or the parity of all index bits
        # would be the same function.
        phase = choice * 0.382
        ones = int((done + 1) * weight + phase) - int(done * weight + phase)
        if attempt > 8:
            # Some mixtures of weights span less than everything: try another weight.
            ones = 1 + attempt % 3
        order = []
        for row in range(bits):
            state, random = _splitmix(state)
            order.append(((load[row] >= row_limit) * bits + load[row] + random % (attempt + 1), random, row))
        rows = [row for _, _, row in sorted(order)[:ones]]
        column = sum(1 << row for row in rows)
        if _independent([*result[done - min(done, bits - 1) :], column]):
            result.append(column)
            attempt = 0
            for row in rows:
                load[row] += 1
        else:
            attempt += 1
    return result


def _independent(vectors: list[int]) -> bool:
    """Whether no XOR of some of ``vectors`` is 0."""
    basis: list[int] = []
    for vector in vectors:
        for known in basis:
            vector = min(vector, vector ^ known)
        if not vector:
            return False
        basis.append(vector)
    return True


def _rows(count: int, bits: int, choice: int, row_limit: int) -> list[int]:
    """The matrix of :func:`_columns`, as one mask per index bit."""
    columns = _columns(count, bits, choice, row_limit)
    return [sum((column >> row & 1) << j for j, column in enumerate(columns)) for row in range(bits)]


class HashFunction:
    """Maps keys of ``key_bits`` to ``choices`` indices of ``index_bits`` each, for a seed of 64 bits."""

    def __init__(self, key_bits: int, index_bits: int, choices: int):
        if not 1 <= index_bits <= 20:
            raise ValueError(f"index_bits must be from 1 to 20, not {index_bits}")
        if key_bits < index_bits:
            raise ValueError(f"key_bits must be greater, not {key_bits} for an index of {index_bits} bits")
        if choices < 1:
            raise ValueError(f"choices must be at least 1, not {choices}")
        self.key_bits = key_bits
        self.index_bits = index_bits
        self.choices = choices
        row_limit = _PARITY_INPUTS - 1  # and one bit that is XORed to the parity
        self.rows = [_rows(key_bits, index_bits, choice, row_limit) for choice in range(choices)]
        """Per choice and index bit: the mixed bits whose parity it is."""

    def mix(self, key: Any, seed: Any) -> tuple[Any, Any]:
        """The nonlinear layers (y, z); on integers and on values of gateware alike."""
        return self._layer(key, self._repeated(seed, 0), 1, 2), self._layer(
            key, self._repeated(seed, 29), 3, 5
        )

    def _repeated(self, seed: Any, turn: int) -> Any:
        """``seed``, rotated right by ``turn``, as often as it takes for ``key_bits``."""
        turned = (seed >> turn | seed << SEED_BITS - turn) & _MASK
        copies = -(-self.key_bits // SEED_BITS)
        result = turned
        for copy in range(1, copies):
            result = result | turned << SEED_BITS * copy
        return result & (1 << self.key_bits) - 1

    def _layer(self, key: Any, seed: Any, near: int, far: int) -> Any:
        one, other = key >> near, key >> far
        return key ^ (one & other | (one | other) & seed)

    def index(self, key: int, seed: int, choice: int) -> int:
        """The bucket of ``key`` under ``choice``."""
        if not 0 <= key < 1 << self.key_bits:
            raise ValueError(f"key must have {self.key_bits} bits, not {key:#x}")
        mixed = self.mix(key, seed)[choice % 2]
        return sum(((mixed & row).bit_count() & 1) << bit for bit, row in enumerate(self.rows[choice]))


class HashUnit(wiring.Component):
    """:class:`HashFunction` in gateware, one key per clock.

    ``index`` belongs to the ``key`` of ``LATENCY`` clocks before and is registered; with ``direct``, all
    choices give ``direct_index`` in place of a hash. ``seed`` must not change while keys are in use. Behind
    ``key`` is one level of logic.
    """

    LATENCY = 2

    def __init__(self, function: HashFunction):
        self.function = function
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "key": In(function.key_bits),
                "direct": In(1),
                "direct_index": In(function.index_bits),
                "index": Out(function.index_bits).array(function.choices),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        function = self.function
        mixed = [Signal(function.key_bits, name=f"mixed{layer}") for layer in "yz"]
        offset = Signal(function.index_bits)
        m.d.sync += offset.eq(Mux(self.direct, self.direct_index, 0))
        for register, value in zip(mixed, function.mix(self.key, self.seed), strict=True):
            m.d.sync += register.eq(Mux(self.direct, 0, value))
        for choice, index in enumerate(self.index):
            for bit, row in enumerate(function.rows[choice]):
                # One flat parity, so that synthesis balances it.
                terms = [mixed[choice % 2][j] for j in range(function.key_bits) if row >> j & 1]
                m.d.sync += index[bit].eq(Cat(offset[bit], terms).xor())
        return m
