"""Logic in the shape in which it is written, where that matters."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from amaranth.hdl import Const, Instance, Module, Signal, Value

from ..target import is_ecp5

__all__ = ["gate", "tree"]

_INPUTS = "ABCD"


def gate(m: Module, platform: Any, function: Callable[..., Any], inputs: Sequence[Value]) -> Value:
    """``function`` of up to four bits in one four-input table.

    It works on integers (0 or 1) and on values of gateware alike. On ECP5 the table is instantiated: yosys maps
    wide comparisons and parities to up to twice the tables and levels that they need.
    """
    if not 1 <= len(inputs) <= len(_INPUTS):
        raise ValueError(f"a gate has from 1 to 4 inputs, not {len(inputs)}")
    output = Signal()
    if not is_ecp5(platform):
        m.d.comb += output.eq(function(*inputs))
        return output
    content = 0
    for index, bits in enumerate(product((0, 1), repeat=len(_INPUTS))):
        content |= (function(*bits[::-1][: len(inputs)]) & 1) << index
    pins = {f"i_{pin}": inputs[n] if n < len(inputs) else Const(0, 1) for n, pin in enumerate(_INPUTS)}
    m.submodules += Instance("LUT4", p_INIT=Const(content, 16), o_Z=output, **pins)
    return output


def tree(m: Module, platform: Any, function: Callable[..., Any], inputs: Sequence[Value]) -> Value:
    """The associative ``function`` of any number of bits, as a tree of four-input tables."""
    terms = list(inputs)
    while len(terms) > 1:
        # As many whole tables as leave the next level full; the rest goes straight there.
        whole = 1 if len(terms) <= 4 else len(terms) // 4
        gates = [gate(m, platform, function, terms[4 * n : 4 * n + 4]) for n in range(whole)]
        terms = [*gates, *terms[4 * whole :]]
    return terms[0]
