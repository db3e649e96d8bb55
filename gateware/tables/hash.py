"""The seeded hash of all tables, defined once for the gateware and the host.

A key goes through one of two nonlinear layers and is compressed to an index by a sparse linear map::

    y[j] = key[j] ^ majority(key[j+1], key[j+2], a[j])
    z[j] = key[j] ^ majority(key[j+3], key[j+5], b[j])
    index = XOR of column[j] where y[j] (even choices) or z[j] (odd choices) is 1

``a`` and ``b`` are the seed, rotated by 0 and 29 bits and repeated; bits beyond the highest are 0. A layer is
a bijection whatever the seed, but which other bits follow a flipped key bit depends on the seed, so that
keys cannot be chosen to collide without knowing it: a majority follows one of its inputs if the other one
differs from the seed's bit. Each bit of a layer is one four-input table.

Columns are constants, mostly of at most three ones, different for each choice; as many neighbours as the
index has bits are linearly independent, so that consecutive keys spread evenly. Even and odd choices differ in
the layer, too: consecutive OUIs differ in so few bits that two linear maps of the same bits pair the buckets of
both choices in small closed groups, which overflow early.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from operator import xor
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .gates import tree

__all__ = ["SEED_BITS", "HashFunction", "HashUnit"]

SEED_BITS = 64
_MASK = (1 << SEED_BITS) - 1
_PARITY_INPUTS = 12
"""A parity of so many bits is four four-input tables in two levels."""


def _splitmix(state: int) -> tuple[int, int]:
    """One step of SplitMix64: new state and output. Only used for constants."""
    state = (state + 0x9E3779B97F4A7C15) & _MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return state, z ^ (z >> 31)


def _columns(
    count: int,
    bits: int,
    choice: int,
    row_limit: int,
    windows: Sequence[int],
    sequences: Sequence[Sequence[int]],
) -> list[int]:
    """``count`` columns of ``bits`` bits. In each of ``windows``, a mask of rows, as many neighbours of each of
    ``sequences``  of masks of key bits: the columns of as many successive ones as the index (or a window) has
                   bits are independent, so that keys that count in them spread evenly, as far as a layer leaves
                   the bits beside them alone. That holds for the successive bits of the key in any case.
    """
    weight = min(3.0, bits * row_limit / count)
    if weight < 2:
        weight = 2.25
    state = choice << 32 | bits << 16 | count
    failures = 0
    result: list[int] = []
    # Per column, the members of sequences that are complete with it, behind their neighbours.
    groups: list[list[Sequence[int]]] = [[] for _ in range(count)]
    for sequence in sequences:
        for end, mask in enumerate(sequence, 1):
            groups[mask.bit_length() - 1].append(sequence[max(0, end - bits) : end])
    while len(result) < count:
        done = len(result)
        # Another pattern of weights for each choice, or the parity of all index bits
        # would be the same function.
        phase = choice * 0.382
        ones = int((done + 1) * weight + phase) - int(done * weight + phase)
        order = []
        for row in range(bits):
            state, random = _splitmix(state)
            load = sum(column >> row & 1 for column in result)
            order.append((load, random, row))
        rows = [row for _, _, row in sorted(order)]
        constraints = []
        for group in groups[done]:
            for window in windows:
                *before, last = group[-window.bit_count() :]
                basis = _basis([_sum(result, mask) & window for mask in before])
                constraints.append((window, _sum(result, last), basis))
        for column in (
            sum(1 << row for row in some)
            for count_ in (ones, *range(1, min(6, bits + 1)))
            for some in combinations(rows, count_)
        ):
            if all(_reduced((column ^ rest) & window, basis) for window, rest, basis in constraints):
                result.append(column)
                break
        else:
            # Nothing fits here: do the last one otherwise, at times some more of them.
            failures += 1
            del result[max(0, done - (1 if failures % 4 else 4)) :]
    return result


def _sum(columns: list[int], mask: int) -> int:
    """The XOR of the columns in ``mask``."""
    result = 0
    for index, column in enumerate(columns):
        if mask >> index & 1:
            result ^= column
    return result


def _reduced(vector: int, basis: list[int]) -> int:
    """0 if ``vector`` is the XOR of some of ``basis``, which must be one of :func:`_basis`."""
    for known in basis:
        vector = min(vector, vector ^ known)
    return vector


def _basis(vectors: list[int]) -> list[int]:
    basis: list[int] = []
    for vector in vectors:
        vector = _reduced(vector, basis)
        if vector:
            basis.append(vector)
    return basis


class HashFunction:
    """Maps keys of ``key_bits`` to ``choices`` indices of ``index_bits`` each, for a seed of 64 bits.

    ``windows``    masks of index bits that are used on their own, as the index to something smaller; by
                   default, all of them are used together.
    ``sequences``  of masks of key bits: keys that count in as many successive ones of a sequence as the index
                   (or a window) has bits spread evenly. That holds for the bits of the key in any case.
    """

    def __init__(
        self,
        key_bits: int,
        index_bits: int,
        choices: int,
        *,
        windows: Sequence[int] = (),
        sequences: Sequence[Sequence[int]] = (),
    ):
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
        windows = windows or [(1 << index_bits) - 1]
        sequences = [[1 << j for j in range(key_bits)], *sequences]
        self.rows: list[list[int]] = []
        """Per choice and index bit: the mixed bits whose parity it is."""
        for choice in range(choices):
            columns = _columns(key_bits, index_bits, choice, row_limit, windows, sequences)
            self.rows.append(
                [sum((c >> row & 1) << j for j, c in enumerate(columns)) for row in range(index_bits)]
            )

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
        # Without reset, which would have to be combined with the one by ``direct``.
        mixed = [Signal(function.key_bits, name=f"mixed{layer}", reset_less=True) for layer in "yz"]
        offset = Signal(function.index_bits, reset_less=True)
        m.d.sync += offset.eq(Mux(self.direct, self.direct_index, 0))
        for register, value in zip(mixed, function.mix(self.key, self.seed), strict=True):
            m.d.sync += register.eq(Mux(self.direct, 0, value))
        for choice, index in enumerate(self.index):
            for bit, row in enumerate(function.rows[choice]):
                terms = [mixed[choice % 2][j] for j in range(function.key_bits) if row >> j & 1]
                terms.append(offset[bit])
                m.d.sync += index[bit].eq(tree(m, platform, lambda *bits: reduce(xor, bits), terms))
        return m
