"""What a register space is made of: registers and tables."""

from enum import Enum
from typing import Any

from amaranth.hdl import Shape, ShapeLike, unsigned
from amaranth.lib import data
from amaranth.utils import ceil_log2

from .bus import MAX_ENTRY_WORDS, WORD_BITS
from .codec import Codec

__all__ = ["Access", "Register", "Table", "leaves"]


class Access(Enum):
    """What the host may do with an element."""

    READ = "r"
    WRITE = "w"
    READ_WRITE = "rw"

    @property
    def readable(self) -> bool:
        return "r" in self.value

    @property
    def writable(self) -> bool:
        return "w" in self.value


def _check_words(width: int) -> int:
    words = -(-width // WORD_BITS)
    if not 1 <= words <= MAX_ENTRY_WORDS:
        raise ValueError(f"an element has 1 to {MAX_ENTRY_WORDS * WORD_BITS} bits, not {width}")
    return words


class Register:
    """A register of one or more words.

    ``reset`` is the value after reset as :class:`Codec` takes it. A ``constant`` register is read only and has
    no signal: its value is known when the core is built.
    """

    def __init__(
        self,
        shape: ShapeLike,
        doc: str,
        *,
        access: Access = Access.READ_WRITE,
        reset: Any = 0,
        constant: int | None = None,
    ):
        self.shape = shape
        self.width = Shape.cast(shape).width
        self.words = _check_words(self.width)
        if access is Access.WRITE:
            raise ValueError("a register can always be read")
        if constant is not None:
            if access is not Access.READ:
                raise ValueError("a constant register is read only")
            reset = constant
        self.doc = doc
        self.access = access
        self.reset = Codec(shape).encode(reset)
        self.is_constant = constant is not None

    @property
    def stride(self) -> int:
        """Words that the register takes in the address space."""
        return 1 << ceil_log2(self.words)

    @property
    def size(self) -> int:
        return self.stride


class Table:
    """``depth`` entries at a power-of-two stride, each transferred whole over a ``TableBus``, or ``by_word`` over a
    ``WordBus``."""

    def __init__(
        self,
        entry: ShapeLike,
        depth: int,
        doc: str,
        *,
        access: Access = Access.READ_WRITE,
        by_word: bool = False,
    ):
        if depth < 1:
            raise ValueError(f"a table has at least one entry, not {depth}")
        self.shape = entry
        self.width = Shape.cast(entry).width
        self.words = _check_words(self.width)
        self.depth = depth
        self.doc = doc
        self.access = access
        self.by_word = by_word

    @property
    def stride(self) -> int:
        """Words from one entry to the next."""
        return 1 << ceil_log2(self.words)

    @property
    def size(self) -> int:
        """Words that the table takes in the address space, a power of two."""
        return self.stride << ceil_log2(self.depth)


def leaves(shape: ShapeLike) -> list[tuple[str, int, ShapeLike]]:
    """All plain fields in ``shape`` as (dotted name, lowest bit, shape).

    A shape without structure has one, without a name.
    """
    result: list[tuple[str, int, ShapeLike]] = []

    def walk(prefix: str, offset: int, shape: ShapeLike) -> None:
        try:
            layout = data.Layout.cast(shape)
        except TypeError:
            result.append((prefix, offset, shape if not isinstance(shape, int) else unsigned(shape)))
            return
        for key, field in layout:
            name = f"{prefix}[{key}]" if isinstance(key, int) else f"{prefix}.{key}" if prefix else key
            walk(name, offset + field.offset, field.shape)

    walk("", 0, shape)
    return result
