"""Between the bits of an element and plain Python values."""

from collections.abc import Mapping, Sequence
from enum import Enum, EnumMeta
from typing import Any

from amaranth.hdl import Shape, ShapeLike
from amaranth.lib import data

from .bus import WORD_BITS

__all__ = ["Codec"]


class Codec:
    """Encodes and decodes values of one shape.

    A structure is a dict of its fields, an array a list, an enumeration its member, anything else an unsigned
    integer. Fields that a dict leaves out are 0. Taken as well are the name or number of an enumeration's
    member, and the bits of a structure or array as one integer.
    """

    def __init__(self, shape: ShapeLike):
        self.width = Shape.cast(shape).width
        self.words = -(-self.width // WORD_BITS)
        self._enum: EnumMeta | None = None
        self._fields: dict[str | int, tuple[int, Codec]] = {}
        self._is_array = False
        try:
            layout = data.Layout.cast(shape)
        except TypeError:
            if isinstance(shape, EnumMeta):
                self._enum = shape
        else:
            self._is_array = isinstance(layout, data.ArrayLayout)
            self._fields = {key: (field.offset, Codec(field.shape)) for key, field in layout}

    @property
    def fields(self) -> list[str | int]:
        """Names of the fields, empty if there is no structure."""
        return list(self._fields)

    def encode(self, value: Any) -> int:
        """The bits of ``value``. Raises ValueError for what does not fit, with the field's name."""
        if self._fields and not isinstance(value, int):
            return self._encode_fields(value)
        if self._enum is not None and isinstance(value, str):
            if value not in self._enum.__members__:
                raise ValueError(f"{value!r} is not one of {', '.join(self._enum.__members__)}")
            value = self._enum[value]
        if isinstance(value, Enum):
            value = value.value
        if not isinstance(value, int):
            raise ValueError(f"{value!r} is not an integer")
        if not 0 <= value < 1 << self.width:
            raise ValueError(f"{value:#x} does not fit in {self.width} bits")
        return int(value)

    def _encode_fields(self, value: Any) -> int:
        if self._is_array:
            if isinstance(value, (str, bytes, Mapping)) or len(value) > len(self._fields):
                raise ValueError(f"{value!r} is not a list of at most {len(self._fields)} elements")
            value = dict(enumerate(value))
        elif not isinstance(value, Mapping):
            raise ValueError(f"{value!r} is not a mapping of fields")
        bits = 0
        for key, item in value.items():
            if key not in self._fields:
                raise ValueError(f"no field {key!r}; there are {', '.join(map(str, self._fields))}")
            offset, codec = self._fields[key]
            try:
                bits |= codec.encode(item) << offset
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
        return bits

    def decode(self, bits: int) -> Any:
        """The value of ``bits``; an enumeration's number without a name stays a number."""
        if self._is_array:
            return [codec.decode(bits >> offset) for offset, codec in self._fields.values()]
        if self._fields:
            return {key: codec.decode(bits >> offset) for key, (offset, codec) in self._fields.items()}
        bits &= (1 << self.width) - 1
        if self._enum is not None:
            try:
                return self._enum(bits)
            except ValueError:
                return bits
        return bits

    def to_words(self, value: Any) -> list[int]:
        """The words of ``value``, lowest first."""
        bits = self.encode(value)
        return [bits >> k * WORD_BITS & (1 << WORD_BITS) - 1 for k in range(self.words)]

    def from_words(self, words: Sequence[int]) -> Any:
        """The reverse of :meth:`to_words`."""
        return self.decode(sum(word << k * WORD_BITS for k, word in enumerate(words)))
