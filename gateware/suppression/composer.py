"""The frame that answers a request."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import ETHERTYPE_ARP, ETHERTYPE_IPV6, NEXT_HEADER_ICMPV6
from ..ingress.fields import UNIT_BYTES
from ..memory.ports import PatchedWord
from ..params import Params
from .examiner import ARP_SENDER, ARP_SENDER_MAC, ARP_TARGET, ASKER, ND_SENDER, ND_TARGET
from .loader import UNITS
from .sum import MessageSum, is_summed

__all__ = ["ADVERT_BYTES", "REPLY_BYTES", "VM", "Composer"]

VM = 0
"""Unit from which on the MAC address of the VM stands in the place of the request's destination."""


class _Source(enum.Enum, shape=unsigned(2)):
    NUMBER = 0
    UNIT = 1
    """Of the request."""
    CHECKSUM = 2


@dataclass(frozen=True)
class _Step:
    """One unit of the answer."""

    source: _Source
    value: int = 0
    """The number itself, or the number of the unit."""


def _units(first: int, count: int) -> list[_Step]:
    return [_Step(_Source.UNIT, first + k) for k in range(count)]


def _numbers(*values: int) -> list[_Step]:
    return [_Step(_Source.NUMBER, value) for value in values]


_REPLY = [
    *_units(ASKER, 3),
    *_units(VM, 3),
    *_numbers(ETHERTYPE_ARP, 1, 0x0800, 0x0604, 2),
    *_units(VM, 3),
    *_units(ARP_TARGET, 2),
    *_units(ARP_SENDER_MAC, 3),
    *_units(ARP_SENDER, 2),
]
"""RFC 826."""
_ADVERT = [
    *_units(ASKER, 3),
    *_units(VM, 3),
    *_numbers(ETHERTYPE_IPV6, 6 << 12, 0, 32, NEXT_HEADER_ICMPV6 << 8 | 255),
    *_units(ND_TARGET, 8),
    *_units(ND_SENDER, 8),
    *_numbers(136 << 8),
    _Step(_Source.CHECKSUM),
    *_numbers(0x6000, 0),  # solicited, override
    *_units(ND_TARGET, 8),
    *_numbers(0x0201),  # target link-layer address
    *_units(VM, 3),
]
"""RFC 4861, 7.2.4."""
REPLY_BYTES, ADVERT_BYTES = (UNIT_BYTES * len(steps) for steps in (_REPLY, _ADVERT))


class Composer(wiring.Component):
    """Puts an answer together, one unit per clock: once to sum it up if it has a checksum, then for good.

    Members
    -------
    start
        Strobe: begin. ``is_ipv6`` stays until ``done``.
    at, unit
        A unit of the request, or from :data:`VM` on of the VM's MAC address; told in the same clock.
    word
        Words of the answer, without a tag.
    done
        Strobe, with the last word.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "start": In(1),
                "is_ipv6": In(1),
                "at": Out(range(UNITS)),
                "unit": In(16),
                "word": Out(stream.Signature(PatchedWord(params))),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = self.word.payload
        lanes = self.params.word_bytes // UNIT_BYTES
        running, sums = Signal(), Signal()
        number = Signal(range(len(_ADVERT)))
        source, value, is_last = Signal(_Source), Signal(16), Signal()
        with m.Switch(Cat(number, self.is_ipv6)):
            for family, steps in enumerate((_REPLY, _ADVERT)):
                for index, step in enumerate(steps):
                    with m.Case(family << len(number) | index):
                        m.d.comb += [
                            source.eq(step.source),
                            value.eq(step.value),
                            is_last.eq(step is steps[-1]),
                        ]

        # What a step is, then the unit, then its place in the word; all wait for a word that is not taken.
        goes = Signal()
        m.d.comb += goes.eq(~self.word.valid | self.word.ready)
        stage = [
            {
                name: Signal(shape, name=f"{name}{index}")
                for name, shape in (("valid", 1), ("sums", 1), ("counts", 1), ("last", 1))
            }
            for index in range(2)
        ]
        source_now, value_now = Signal(_Source), Signal(16)
        unit = Signal(16)
        m.submodules.sum = sum = MessageSum()
        m.d.comb += [self.at.eq(value_now), sum.unit.eq(unit)]
        with m.If(goes):
            m.d.sync += [
                stage[0]["valid"].eq(running),
                stage[0]["sums"].eq(running & sums),
                stage[0]["counts"].eq(is_summed(number)),
                stage[0]["last"].eq(is_last),
                source_now.eq(source),
                value_now.eq(value),
                *(
                    after.eq(before)
                    for before, after in zip(stage[0].values(), stage[1].values(), strict=True)
                ),
            ]
            with m.Switch(source_now):
                with m.Case(_Source.NUMBER):
                    m.d.sync += unit.eq(value_now)
                with m.Case(_Source.UNIT):
                    m.d.sync += unit.eq(self.unit)
                with m.Case(_Source.CHECKSUM):
                    m.d.sync += unit.eq(Mux(stage[0]["sums"], 0, ~sum.total))
            with m.If(running):
                m.d.sync += number.eq(number + 1)
                with m.If(is_last):
                    m.d.sync += [number.eq(0), sums.eq(0), running.eq(sums)]
        with m.If(self.start):
            m.d.sync += [running.eq(1), sums.eq(self.is_ipv6)]
        m.d.comb += [
            sum.clear.eq(self.start),
            sum.add.eq(stage[1]["sums"] & stage[1]["counts"] & goes),
        ]

        lane = Signal(range(max(2, lanes)))
        ends = Signal()
        writes = stage[1]["valid"] & ~stage[1]["sums"]
        with m.If(goes):
            m.d.sync += self.word.valid.eq(0)
            with m.If(self.word.valid):
                m.d.sync += word.number.eq(word.number + 1)
            with m.If(writes):
                m.d.sync += [
                    word.data.word_select(lane, 16).eq(Cat(unit[8:], unit[:8])),
                    lane.eq(lane + 1),
                    ends.eq(stage[1]["last"]),
                ]
                with m.If((lane == lanes - 1) | stage[1]["last"]):
                    m.d.sync += [lane.eq(0), self.word.valid.eq(1)]
        with m.If(self.start):
            m.d.sync += word.number.eq(0)
        m.d.comb += self.done.eq(self.word.valid & self.word.ready & ends)
        return m
