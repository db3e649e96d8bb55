"""Whether a frame is a request that may be answered in a VM's place."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..headers import ETHERTYPE_ARP, ETHERTYPE_IPV6, NEIGHBOUR_SOLICITATION, NEXT_HEADER_ICMPV6
from .loader import UNITS, Unit
from .sum import MessageSum, is_summed

__all__ = ["ARP_SENDER", "ARP_SENDER_MAC", "ARP_TARGET", "ASKER", "ND_SENDER", "ND_TARGET", "Examiner"]

# Numbers of units of an untagged frame.
ASKER = 3
"""Source MAC address."""
_ETHERTYPE = 6
ARP_SENDER_MAC, ARP_SENDER, ARP_TARGET = 11, 14, 19
_LENGTH = 9
_MESSAGE = 27
"""Where ICMPv6 begins."""
ND_SENDER, ND_TARGET = 11, 31
_OPTIONS = 39
_OPTION_UNITS = 4
"""Unit of length of messages and options: 8 octets (RFC 4861, 4.6)."""
_LEAST_GROUPS = (_OPTIONS - _MESSAGE) // _OPTION_UNITS
_MULTICAST = 0xFF


class _Kind(enum.Enum, shape=unsigned(3)):
    ANY = 0
    EXACT = 1
    VERSION = 2
    """The first four bits count."""
    SAME = 3
    """As another unit."""
    SENDER = 4
    """Not all of these are 0."""
    TARGET = 5
    """Not all of these are the sender's."""


@dataclass(frozen=True)
class _Rule:
    kind: _Kind
    value: int = 0
    other: int = 0
    """Unit to compare with."""


_ARP = {
    7: _Rule(_Kind.EXACT, 1),  # Ethernet
    8: _Rule(_Kind.EXACT, 0x0800),
    9: _Rule(_Kind.EXACT, 0x0604),
    10: _Rule(_Kind.EXACT, 1),  # request
    **{ARP_SENDER_MAC + k: _Rule(_Kind.SAME, other=ASKER + k) for k in range(3)},
    **{ARP_SENDER + k: _Rule(_Kind.SENDER) for k in range(2)},
    **{ARP_TARGET + k: _Rule(_Kind.TARGET, other=ARP_SENDER + k) for k in range(2)},
}
_SOLICITATION = {
    7: _Rule(_Kind.VERSION, 6 << 12),
    10: _Rule(_Kind.EXACT, NEXT_HEADER_ICMPV6 << 8 | 255),
    27: _Rule(_Kind.EXACT, NEIGHBOUR_SOLICITATION << 8),
    **{ND_SENDER + k: _Rule(_Kind.SENDER) for k in range(8)},
    **{ND_TARGET + k: _Rule(_Kind.TARGET, other=ND_SENDER + k) for k in range(8)},
}
"""RFC 4861, 7.1.1; length, options and checksum come in addition."""


class Examiner(wiring.Component):
    """Follows the units of a frame. Requests that announce (sender and target are the same) or probe (no sender) are
    none to answer, nor are ARP requests in the name of another sender than the frame's, nor solicitations that are not
    valid (RFC 4861, 7.1.1).

    Members
    -------
    start
        Strobe, before the first unit.
    unit
        Of the untagged frame, from the first one on.
    units
        How many there are; stays.
    other_at, other
        The unit of the same frame to compare with, asked for and told with ``unit``; an earlier one.
    is_ipv6, is_request
        Of the frame; right four clocks after its last unit.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "unit": In(Unit()),
                "units": In(range(UNITS + 1)),
                "other_at": Out(range(UNITS)),
                "other": In(16),
                "is_ipv6": Out(1),
                "is_request": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        unit = self.unit
        is_arp = Signal()
        kind = Signal(_Kind)
        value = Signal(16)
        with m.If(unit.valid & (unit.number == _ETHERTYPE)):
            m.d.sync += [
                is_arp.eq(unit.value == ETHERTYPE_ARP),
                self.is_ipv6.eq(unit.value == ETHERTYPE_IPV6),
            ]
        with m.Switch(Cat(unit.number, self.is_ipv6)):
            for family, rules in enumerate((_ARP, _SOLICITATION)):
                for number, rule in rules.items():
                    with m.Case(family * UNITS + number):
                        m.d.comb += [kind.eq(rule.kind), value.eq(rule.value), self.other_at.eq(rule.other)]

        # The unit meets what it is compared with in registers.
        now = Signal(_Kind)
        here = Signal(16)
        expected = Signal(16)
        m.d.sync += [
            now.eq(Mux(unit.valid, kind, _Kind.ANY)),
            here.eq(unit.value),
            expected.eq(Mux((kind == _Kind.SAME) | (kind == _Kind.TARGET), self.other, value)),
        ]
        wrong, has_sender, asks_others = Signal(), Signal(), Signal()
        differs = here ^ expected
        with m.Switch(now):
            with m.Case(_Kind.EXACT, _Kind.SAME):
                m.d.sync += wrong.eq(wrong | differs.any())
            with m.Case(_Kind.VERSION):
                m.d.sync += wrong.eq(wrong | differs[12:].any())
            with m.Case(_Kind.SENDER):
                m.d.sync += has_sender.eq(has_sender | here.any())
            with m.Case(_Kind.TARGET):
                m.d.sync += asks_others.eq(asks_others | differs.any())
        with m.If(self.start):
            m.d.sync += [wrong.eq(0), has_sender.eq(0), asks_others.eq(0)]
        is_valid = self._message(m)
        m.d.sync += self.is_request.eq(
            ~wrong & has_sender & asks_others & (is_arp | (self.is_ipv6 & is_valid))
        )
        return m

    def _message(self, m: Module) -> Signal:
        """Whether source address, length, options and checksum are those of an ICMPv6 message."""
        unit = self.unit
        groups = Signal(4)  # of 8 octets
        end = Signal(range(_MESSAGE + _OPTION_UNITS * 16))
        last = Signal.like(end)
        fits = Signal()
        odd = Signal()
        inside = Signal()  # the message
        option_left = Signal(10)  # units
        wrong_option = Signal()
        complete = Signal()
        from_group = Signal()
        m.d.comb += end.eq(_MESSAGE + _OPTION_UNITS * groups)
        m.d.sync += [last.eq(end - 1), fits.eq(end <= self.units)]
        with m.If(unit.valid):
            with m.If(unit.number == _LENGTH):
                m.d.sync += [
                    groups.eq(unit.value[3:]),
                    odd.eq(unit.value[:3].any() | unit.value[7:].any() | (unit.value[3:7] < _LEAST_GROUPS)),
                ]
            with m.If(unit.number == ND_SENDER):
                m.d.sync += from_group.eq(unit.value[8:] == _MULTICAST)
            with m.If(unit.number == _MESSAGE - 1):
                m.d.sync += inside.eq(1)
            with m.If(unit.number == last):
                m.d.sync += inside.eq(0)
            with m.If(inside & (unit.number >= _OPTIONS)):
                with m.If(option_left == 0):
                    m.d.sync += [
                        option_left.eq(_OPTION_UNITS * unit.value[:8] - 1),
                        wrong_option.eq(wrong_option | ~unit.value[:8].any()),
                    ]
                with m.Else():
                    m.d.sync += option_left.eq(option_left - 1)
        with m.If(self.start):
            m.d.sync += [inside.eq(0), option_left.eq(0), wrong_option.eq(0)]

        m.submodules.sum = sum = MessageSum()
        m.d.sync += complete.eq(sum.total.all())
        m.d.comb += [sum.clear.eq(self.start), sum.unit.eq(unit.value)]
        with m.If(unit.number < _MESSAGE):
            m.d.comb += sum.add.eq(unit.valid & is_summed(unit.number))
        with m.Else():
            m.d.comb += sum.add.eq(unit.valid & inside)
        is_valid = Signal()
        m.d.comb += is_valid.eq(fits & ~odd & ~from_group & ~wrong_option & (option_left == 0) & complete)
        return is_valid
