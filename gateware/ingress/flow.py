"""Flow label of an encapsulated frame, and what must be known about a frame to compute it."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..headers import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN
from ..packet import Word
from ..params import Params
from .fields import UNIT_BYTES, field, octet_at, unit_of

__all__ = ["FLOW_SPAN", "Classifier", "FlowClass", "FlowHash"]

FLOW_SPAN = 64
"""Octets of the tagged frame that the label depends on."""

_TCP_UDP = (6, 17)
_TAG = 4
_LABEL_BITS = 20
_TURN = 7
"""Rotation of a unit against the one before it."""

# Units (numbers of 16-bit units of the tagged frame) that make the label, and which of their two octets do.
_BOTH = (1, 1)
_MAC_UNITS = dict.fromkeys(range(6), _BOTH)
_ETHERTYPE_UNITS = {8: _BOTH}
_IPV4_UNITS = {13: (0, 1), **dict.fromkeys(range(15, 19), _BOTH)}
_IPV4_PORTS = {19: _BOTH, 20: _BOTH}
_IPV6_UNITS = {12: (1, 0), **dict.fromkeys(range(13, 29), _BOTH)}
_IPV6_PORTS = {29: _BOTH, 30: _BOTH}
_LATE_UNIT = 30
"""The destination port of a tagged IPv6 packet: the only unit that a frame of minimum length lacks."""
_TAG_UNITS = _TAG // UNIT_BYTES
_TAGGED_UNIT = 6
"""Units from here on stand behind the tag."""


class FlowClass(data.Struct):
    """What kind of flow a frame belongs to."""

    tagged: 1
    ipv4: 1
    ipv6: 1
    ports: 1
    """TCP or UDP ports follow an IP header without options in an unfragmented packet."""


class Classifier(wiring.Component):
    """Tells a frame's class as its words pass.

    Compares words on their way into the register that :class:`WordTap` inspects, so that ``kind`` is right
    for every unit of the inspected word that a class speaks about, at every width, however many of them
    share a word.

    Members
    -------
    word, load, next_at
        ``input.payload``, ``load`` and ``next_at`` of the tap.
    kind
        Class of the frame under inspection: ``tagged`` and the EtherType from the word that has them on,
        ``ports`` from the word with the protocol number on.
    """

    def __init__(self, params: Params, words: int):
        self.params = params
        super().__init__(
            {
                "word": In(Word(params.width)),
                "load": In(1),
                "next_at": In(words),
                "kind": Out(FlowClass),
            }
        )

    def elaborate(self, platform):
        m = Module()

        def seen(offset: int, condition: Value, name: str) -> Signal:
            flag = Signal(name=name)
            with m.If(self.load & self.next_at[offset // self.params.word_bytes]):
                m.d.sync += flag.eq(condition)
            return flag

        def is_unit(offset: int, value: int, name: str) -> Signal:
            return seen(offset, field(self.word, offset, UNIT_BYTES) == value, name)

        def is_transport(offset: int, name: str) -> Signal:
            octet = octet_at(self.word, offset)
            return seen(offset, (octet == _TCP_UDP[0]) | (octet == _TCP_UDP[1]), name)

        def at_both(flag, offset: int, *args) -> Value:
            """A flag about the tagged frame's octet ``offset``, wherever that stands in
            the frame under inspection."""
            name = args[-1]
            return Mux(
                tagged,
                flag(offset, *args[:-1], f"tagged_{name}"),
                flag(offset - _TAG, *args[:-1], f"untagged_{name}"),
            )

        def no_options(offset: int, name: str) -> Signal:
            return seen(offset, octet_at(self.word, offset)[:4] == 5, name)

        def whole(offset: int, name: str) -> Signal:
            return seen(offset, field(self.word, offset, UNIT_BYTES)[:14] == 0, name)

        tagged = is_unit(12, ETHERTYPE_VLAN, "tagged")
        m.d.comb += [
            self.kind.tagged.eq(tagged),
            self.kind.ipv4.eq(at_both(is_unit, 16, ETHERTYPE_IPV4, "ipv4")),
            self.kind.ipv6.eq(at_both(is_unit, 16, ETHERTYPE_IPV6, "ipv6")),
            self.kind.ports.eq(
                Mux(
                    self.kind.ipv6,
                    at_both(is_transport, 24, "ipv6_transport"),
                    at_both(is_transport, 27, "ipv4_transport")
                    & at_both(no_options, 18, "no_options")
                    & at_both(whole, 24, "whole"),
                )
            ),
        ]
        return m


class FlowHash(wiring.Component):
    """Flow label by the rule in docs/architecture.md, "Flow label".

    The label is an XOR of units, each rotated by its place. Each word's units are added to an accumulator
    that turns back by one word per word, so that a unit's rotation follows from its position in the word
    alone. A missing tag moves every unit behind the addresses by the same distance: one more rotation at
    the end.

    Members
    -------
    word, at, capture
        Of the tap.
    kind
        From :class:`Classifier`.
    label
        Of the frame whose last word was captured, from the next clock on; defined for frames of at least 60
        octets. Not yet made non-zero.
    """

    def __init__(self, params: Params, words: int):
        self.params = params
        super().__init__(
            {
                "word": In(Word(params.width)),
                "at": In(words),
                "capture": In(1),
                "kind": In(FlowClass),
                "label": Out(_LABEL_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        kind = self.kind
        units = self.params.word_bytes // UNIT_BYTES

        # Finding out which octets count takes most of a clock: words and masks wait one clock in registers.
        word = Signal(self.params.width)
        is_first = Signal()
        with m.If(self.capture):
            m.d.sync += [word.eq(self.word.data), is_first.eq(self.at[0])]

        def octets_that_count(masks: dict[int, tuple], position: int, name: str) -> Value:
            """Of the unit at ``position`` of ``word``, all others 0."""
            mask = Signal(2, name=f"{name}_mask_{position}")
            wanted = [0, 0]
            for number, octets in masks.items():
                if number % units == position:
                    here = self.at[number // units]
                    wanted = [so_far | (here & octet) for so_far, octet in zip(wanted, octets, strict=True)]
            m.d.sync += mask.eq(Mux(self.capture, Cat(*wanted), 0))
            unit = unit_of(word, position)
            return Cat(unit[:8] & mask[1].replicate(8), unit[8:] & mask[0].replicate(8))

        def accumulate(masks: dict[int, tuple], name: str) -> Value:
            """XOR of the masked units, each rotated by its number; right in the clock after the last word."""
            last = max(masks) // units
            accumulator = Signal(_LABEL_BITS, name=name)
            turns = Signal(name=f"{name}_turns")
            m.d.sync += turns.eq(self.capture & self.at[: last + 1].any())
            total = Mux(
                turns,
                Mux(is_first, 0, accumulator.rotate_right(_TURN * units % _LABEL_BITS)),
                accumulator,
            )
            for position in sorted({number % units for number in masks}):
                unit = Signal(_LABEL_BITS, name=f"{name}_unit_{position}")
                m.d.comb += unit.eq(octets_that_count(masks, position, name))
                total ^= unit.rotate_left(_TURN * position % _LABEL_BITS)
            m.d.sync += accumulator.eq(total)
            return total.rotate_left(_TURN * units * last % _LABEL_BITS)

        masks = {}
        for number in range(_LATE_UNIT):
            tagged = self._octets(number)
            shifted = self._octets(number + _TAG_UNITS) if number >= _TAGGED_UNIT else (0, 0)
            if any(isinstance(octet, Value) for octet in (*tagged, *shifted)):
                masks[number] = [Mux(kind.tagged, *pair) for pair in zip(tagged, shifted, strict=True)]
        header = accumulate(masks, "header")
        macs = accumulate(_MAC_UNITS, "macs")

        late = Signal(16)
        captured = Signal(FlowClass)
        with m.If(self.capture):
            m.d.sync += captured.eq(kind)
            with m.If(self.at[0]):
                m.d.sync += late.eq(0)
            with m.If(self.at[_LATE_UNIT // units]):
                position = _LATE_UNIT % units
                exists = [self.word.count > UNIT_BYTES * position + k for k in range(UNIT_BYTES)]
                with m.If(kind.tagged & kind.ipv6 & kind.ports):
                    m.d.sync += late.eq(
                        unit_of(self.word.data, position)
                        & Cat(exists[1].replicate(8), exists[0].replicate(8))
                    )

        untagged = header.rotate_left(_TURN * _TAG_UNITS)
        late_turned = Cat(late, Signal(_LABEL_BITS - 16)).rotate_left(_TURN * _LATE_UNIT % _LABEL_BITS)
        m.d.comb += self.label.eq(
            Mux(captured.tagged, header, untagged) ^ late_turned ^ Mux(captured.ipv4 | captured.ipv6, 0, macs)
        )
        return m

    def _octets(self, number: int) -> list[Value | int]:
        """Whether the two octets of unit ``number`` of the tagged frame count, by class; 0 for never."""
        kind = self.kind
        counts = [0, 0]
        for units, condition in (
            (_IPV4_UNITS, kind.ipv4),
            (_IPV6_UNITS, kind.ipv6),
            (_IPV4_PORTS, kind.ipv4 & kind.ports),
            (_IPV6_PORTS, kind.ipv6 & kind.ports),
            (_ETHERTYPE_UNITS, ~(kind.ipv4 | kind.ipv6)),
        ):
            for octet, relevant in enumerate(units.get(number, (0, 0))):
                if relevant:
                    counts[octet] = counts[octet] | condition
        return counts
