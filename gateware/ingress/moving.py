"""Looking at a header whose place in the frame is found out as the frame passes."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arbiter import one_hot_mux
from ..packet import Word
from ..params import Params
from .fields import UNIT_BYTES

__all__ = ["MovingTap"]


class MovingTap(wiring.Component):
    """Shows a tap's words turned around, so that every octet of a header has the place it would have if the header
    began with a word. Used like the tap by :func:`~.fields.capture_field` and :func:`~.fields.match_field`, with
    offsets from the header's first octet. Combinational but for what it remembers from word to word.

    Parameters
    ----------
    params
        Build parameters.
    places
        Units (16 bits) of a word that the header may begin with.
    span
        Octets of the header that are looked at.

    Members
    -------
    input, capture, first
        The tap's word, whether it counts, and whether it is the first one of its frame.
    begins
        One bit per unit: the header begins with this unit of the word.
    word
        The word, turned.
    """

    def __init__(self, params: Params, places: set[int], span: int):
        self.params = params
        self.places = sorted(places)
        self._units = params.word_bytes // UNIT_BYTES
        self._last = self._number(self.places[-1], span - 1)
        super().__init__(
            {
                "input": In(Word(params.width)),
                "capture": In(1),
                "first": In(1),
                "begins": In(self._units),
                "word": Out(Word(params.width)),
            }
        )
        self._turn = Signal(len(self.places))
        self._remembered = Signal.like(self._turn)
        self._following = Signal(self._last + 1)

    def _number(self, place: int, offset: int) -> int:
        """Number, from the header's first word on, of the word with the octet at ``offset``."""
        return (place + offset // UNIT_BYTES) // self._units

    def elaborate(self, platform):
        m = Module()
        begin = self._begin
        m.d.comb += self._turn.eq(Mux(begin.any(), begin, self._remembered))
        at = Mux(self.first, 0, self._following)
        with m.If(self.capture):
            m.d.sync += [
                self._remembered.eq(self._turn),
                self._following.eq(Mux(begin.any(), 0b10, at << 1)),
            ]

        bits = 8 * UNIT_BYTES
        turned = [self.input.data.rotate_right(bits * place) for place in self.places]
        m.d.comb += [
            self.word.eq(self.input),
            self.word.data.eq(one_hot_mux(self._turn, turned) if len(turned) > 1 else turned[0]),
        ]
        return m

    def passes(self, offset: int) -> Value:
        """The octet at ``offset`` of the header is in the word under inspection."""
        return self.capture & self.at(offset)

    @property
    def _begin(self) -> Value:
        return Cat(self.begins[place] for place in self.places)

    def _here(self, index: int, number: int) -> Value:
        """The word is number ``number`` of a header that began at place ``index``. What begins with this word matters
        only to number 0: there is one header per frame."""
        if number == 0:
            return self._begin[index]
        return self._remembered[index] & self._following[number] & ~self.first

    def at(self, offset: int) -> Value:
        """The same, whether the word counts or not."""
        numbers = [self._number(place, offset) for place in self.places]
        if len(set(numbers)) == 1 and numbers[0] > 0:
            return self._following[numbers[0]] & ~self.first
        return Cat(self._here(index, number) for index, number in enumerate(numbers)).any()

    def begins_at(self, offset: int) -> Value:
        """``begins`` of a header that begins at ``offset`` of this one."""
        units = [0] * self._units
        for number, place in enumerate(self.places):
            here = self._here(number, self._number(place, offset))
            index = (place + offset // UNIT_BYTES) % self._units
            units[index] = units[index] | here
        return Cat(unit if isinstance(unit, Value) else Const(0, 1) for unit in units)
