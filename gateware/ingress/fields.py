"""Finding fields at fixed octet offsets in a stream of words of any width."""

from collections.abc import Iterator
from typing import Protocol

from amaranth.hdl import Cat, Module, Signal, Value, ValueLike

__all__ = ["UNIT_BYTES", "Tap", "capture_field", "field", "match_field", "octet_at", "unit_of"]

UNIT_BYTES = 2
"""Headers are made of 16-bit units at even offsets."""


class Tap(Protocol):
    """Words of a frame, and when octets of it are among them."""

    word: Value

    def passes(self, offset: int) -> Value:
        """The octet at ``offset``, and the one that makes a unit with it, are in ``word``, which counts."""


def octet_at(word: Value, offset: int) -> Value:
    """Octet of a word's data that stands at ``offset`` octets in its frame."""
    return word.data.word_select(offset % (len(word.data) // 8), 8)


def unit_of(octets: Value, position: int) -> Value:
    """16-bit unit ``position`` of a word's data, as an integer with the first octet most significant."""
    return Cat(octets.word_select(2 * position + 1, 8), octets.word_select(2 * position, 8))


def field(word: Value, offset: int, size: int) -> Value:
    """Integer of ``size`` octets at ``offset`` in the frame, within one word, first octet
    most significant."""
    octets = len(word.data) // 8
    if offset // octets != (offset + size - 1) // octets:
        raise ValueError(f"a field of {size} octets at {offset} spans words of {octets} octets")
    return Cat(octet_at(word, offset + k) for k in reversed(range(size)))


def _parts(offset: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Cut a field into (offset, size, octets of the field behind the part), each within one unit."""
    end = offset + size
    while offset < end:
        part = min(end, offset - offset % UNIT_BYTES + UNIT_BYTES) - offset
        yield offset, part, end - offset - part
        offset += part


def capture_field(m: Module, tap: Tap, register: Signal, offset: int) -> None:
    """Keep the integer that stands at ``offset`` in ``register`` (whole octets), part by
    part as words pass ``tap``.

    What lies behind the frame's end leaves older values in place.
    """
    size = len(register) // 8
    for start, part, behind in _parts(offset, size):
        with m.If(tap.passes(start)):
            m.d.sync += register[8 * behind : 8 * (behind + part)].eq(field(tap.word, start, part))


def match_field(m: Module, tap: Tap, value: ValueLike, offset: int, size: int, name: str) -> Value:
    """Whether the ``size`` octets at ``offset`` are ``value``; valid in the captured rank.

    Compared unit by unit as words pass, one flag each: no register holds the field, no
    wide comparator is needed.
    """
    if offset % UNIT_BYTES or size % UNIT_BYTES:
        raise ValueError(f"a field of {size} octets at {offset} is not made of 16-bit units")
    value = Value.cast(value)
    flags = Signal(size // UNIT_BYTES, name=f"{name}_match")
    for k, flag in enumerate(flags):
        start = offset + UNIT_BYTES * k
        behind = size // UNIT_BYTES - 1 - k
        with m.If(tap.passes(start)):
            m.d.sync += flag.eq(field(tap.word, start, UNIT_BYTES) == value.word_select(behind, 16))
    return flags.all()
