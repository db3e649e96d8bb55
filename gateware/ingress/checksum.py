"""ICMPv6 checksums of the replies that the TEP gives by itself."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..headers import NEXT_HEADER_ICMPV6
from ..packet import Word
from ..params import Params
from .fields import UNIT_BYTES, field, unit_of

__all__ = ["ReplySum", "advert_sum"]

_ADVERT_BYTES = 32
"""Neighbour advertisement with one option (RFC 4861, 4.4)."""
_ADVERT_TYPE_CODE = 0x8800
_SOLICITED_OVERRIDE = 0x6000
_SOLICITED = 0x4000
_TARGET_LINK_LAYER_OPTION = 0x0201
_ALL_NODES_SUM = 0xFF02 + 0x0001


def _folded(total: int) -> int:
    """16-bit one's complement sum (RFC 1071)."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def advert_sum(address: int, mac: int) -> int:
    """One's complement sum of all 16-bit units of a solicited neighbour advertisement but
    the receiver's address.

    That is: pseudo header (RFC 8200, 8.1) with source ``address``, length 32 and next header 58; type 136,
    code 0, checksum 0, flags solicited and override; target ``address``; target link-layer address option
    with ``mac``. Static per port, hence computed by the host. The advertisement's checksum is the
    complement of this sum plus the units of the destination address.
    """
    if not 0 <= address < 1 << 128:
        raise ValueError(f"an IPv6 address has 128 bits, not {address:#x}")
    if not 0 <= mac < 1 << 48:
        raise ValueError(f"a MAC address has 48 bits, not {mac:#x}")
    own = sum(address >> 16 * k & 0xFFFF for k in range(8))
    link = sum(mac >> 16 * k & 0xFFFF for k in range(3))
    constant = (
        _ADVERT_BYTES
        + NEXT_HEADER_ICMPV6
        + _ADVERT_TYPE_CODE
        + _SOLICITED_OVERRIDE
        + _TARGET_LINK_LAYER_OPTION
    )
    return _folded(2 * own + link + constant)


_UNSOLICITED_TO_ALL = _folded(_ALL_NODES_SUM + (_SOLICITED ^ 0xFFFF))
"""What an answer to the unspecified source adds instead of its address: ff02::1, and the
solicited flag is clear."""
_ECHO_CHANGE = 0x0100
"""Type 128 becomes 129: ~0x8000 + 0x8100 (RFC 1624, equation 3). The pseudo header's sum stays the same."""


class ReplySum(wiring.Component):
    """Checksum of the answer to a neighbour solicitation or echo request, as the request's words pass.

    The source address is summed in two halves without carries around, which are folded back in the
    clocks behind it. No clock has more than one adder at 32 bits.

    Latency: :attr:`total` is the sum of two 16-bit units of the captured rank; the reply's checksum is
    ``ReplySum.checksum()`` of what was registered one clock later.

    Members
    -------
    word, at, capture
        Of the tap.
    is_echo
        The captured frame is an echo request, else a solicitation.
    advert_sum
        :func:`advert_sum`; static.
    total
        Sum to register in the judged rank.
    unspecified
        The captured frame's IPv6 source is ``::``.
    """

    SOURCE = 22
    """Offset of the IPv6 source address."""
    CHECKSUM = 56
    """Offset of the ICMPv6 checksum."""
    TOTAL_BITS = 20

    def __init__(self, params: Params, words: int):
        self.params = params
        super().__init__(
            {
                "word": In(Word(params.width)),
                "at": In(words),
                "capture": In(1),
                "is_echo": In(1),
                "advert_sum": In(16),
                "total": Out(self.TOTAL_BITS),
                "unspecified": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        units = self.params.word_bytes // UNIT_BYTES
        first = self.SOURCE // UNIT_BYTES
        source = range(first, first + 8)

        # Units are picked in one clock and added in the next.
        is_first = Signal()
        is_source = Signal()
        m.d.sync += [
            is_first.eq(self.capture & self.at[0]),
            is_source.eq(self.capture & self.at[source[0] // units : source[-1] // units + 1].any()),
        ]
        added = [0, 0]
        nonzero = 0
        for position in range(units):
            words = sorted({number // units for number in source if number % units == position})
            if words:
                unit = Signal(16, name=f"unit_{position}")
                here = Cat(self.at[word] for word in words).any()
                m.d.sync += unit.eq(Mux(here, unit_of(self.word.data, position), 0))
                added[position % 2] += unit
                nonzero |= unit.any()

        sums = [Signal(19, name="sum_even"), Signal(19, name="sum_odd")]
        for total, start, more in zip(sums, (0, self.advert_sum), added, strict=True):
            # Where words are short the source does not start in the first one.
            kept = total if source[0] // units else Mux(is_first, start, total)
            with m.If(is_source):
                m.d.sync += total.eq(kept + more)
            with m.Elif(is_first):
                m.d.sync += total.eq(start)
            with m.Else():
                m.d.sync += total.eq(total[:16] + total[16:])
        with m.If(is_first):
            m.d.sync += self.unspecified.eq(1)
        with m.If(is_source & nonzero):
            m.d.sync += self.unspecified.eq(0)

        old_checksum = Signal(16)
        with m.If(self.capture & self.at[self.CHECKSUM // self.params.word_bytes]):
            m.d.sync += old_checksum.eq(field(self.word, self.CHECKSUM, UNIT_BYTES))

        one, other = Signal.like(sums[0]), Signal.like(sums[1])
        m.d.comb += [one.eq(sums[0]), other.eq(sums[1]), self.total.eq(one + other)]
        with m.If(self.is_echo):
            m.d.comb += [one.eq(~old_checksum), other.eq(_ECHO_CHANGE)]
        with m.Elif(self.unspecified):
            m.d.comb += one.eq(_UNSOLICITED_TO_ALL)
        return m

    def checksum(self, total: Value) -> Value:
        """Checksum from a registered ``total``; combinational.

        The shortest solicitation has words enough behind its source address at 32 and 64 bits for both sums
        to be folded: one more fold is enough. Wider words leave carries in the sums.
        """
        for _ in range(1 if self.params.width <= 64 else 2):
            total = (total[:16] + total[16:])[:17]
        return ~total[:16]
