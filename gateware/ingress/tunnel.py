"""Finding the tunnelled frame in an IPv6 packet."""

from collections.abc import Iterable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..arbiter import one_hot_mux
from ..headers import OUTER_BYTES, Encapsulation
from ..packet import Word
from ..params import Params
from .fields import UNIT_BYTES, capture_field, match_field, octet_at, unit_of
from .moving import MovingTap

__all__ = ["MOST_OPTIONS", "NextHeader", "TunnelFinder"]

MOST_OPTIONS = 7
"""Extension headers that the finder looks behind, in units of 8 octets: all that edits touch is in the first cell."""

_NEXT_HEADER = 20
_ROUTING, _DESTINATION_OPTIONS = 43, 60
_OPTION_UNITS = 4
"""Extension headers are made of 8 octets (RFC 8200, 4.2)."""
_ETHERIP_VERSION = 0x3000
_GRE_WITH_KEY, _TRANSPARENT_BRIDGING = 0x2000, 0x6558
_VXLAN_PORT = 4789
_VXLAN_VALID = 3
"""Bit of the first octet that says that the VNI is valid (RFC 7348, 5)."""
_SPAN = 16


_PROTOCOLS = {"routing": _ROUTING, "options": _DESTINATION_OPTIONS} | {
    kind.name.lower(): kind.next_header for kind in Encapsulation
}
NextHeader = data.StructLayout(dict.fromkeys(_PROTOCOLS, 1))
"""What follows an IPv6 or extension header, as far as it matters: an encapsulation by name, or one of those headers
that are looked behind. None is set for all others."""
_TUNNELS = {kind.name.lower(): kind.overhead for kind in Encapsulation}


def _decode(octet: Value) -> Value:
    """As a :class:`NextHeader`."""
    return Cat(octet == number for number in _PROTOCOLS.values())


def _by_tunnel(kind: data.View, values: Iterable[ValueLike]) -> Value:
    """The one of ``values``, in the order of the encapsulations, that is for ``kind``; 0 if it is none of them."""
    return one_hot_mux(Cat(kind[name] for name in _TUNNELS), values)


_LEFT_BITS = ceil_log2(2 * _OPTION_UNITS * (MOST_OPTIONS + 1))


class _Walk(data.Struct):
    """How far the walk has come."""

    seeking: 1
    left: _LEFT_BITS
    """Points, or short words, to the next header."""
    position: range(MOST_OPTIONS + 1)
    kind: NextHeader
    """Of the next header."""


class TunnelFinder(wiring.Component):
    """Follows the chain of next headers of a packet to the tunnelled frame.

    Looks behind up to 56 octets of routing headers without segments left and destination options (RFC 8200, 4.4 and
    4.6), for Ethernet (RFC 8986), EtherIP (RFC 3378), NVGRE (RFC 7637) and VXLAN (RFC 7348). What it found stands in
    the captured rank. That counts only if ``reach`` octets of the payload are there: else it was made of what is
    behind the packet's or the frame's end.

    The way from header to header is gone through as the words are loaded, so that where something begins is in a
    register when the word is inspected.

    Members
    -------
    input, load, next_at, word, at, capture
        Of the tap.
    begins
        One bit per unit: the tunnelled frame begins with this unit of ``word``.
    found
        There is a tunnel of one of the four kinds.
    wrong
        Its header is not as it must be.
    is_udp, udp_end
        There is a UDP header, and where its datagram ends, counted from the IPv6 header's end.
    overhead
        Octets between the IPv6 header and the tunnelled frame.
    reach
        Octets that the kind of tunnel was told by.
    is_network, network
        Whether the tunnel names a virtual network, and which: the VSID or VNI.
    """

    def __init__(self, params: Params, words: int):
        self.params = params
        units = params.word_bytes // UNIT_BYTES
        first = OUTER_BYTES // UNIT_BYTES
        self._first_word = first // units
        self._points = sorted({(first + _OPTION_UNITS * k) % units for k in range(units)})
        """Units of a word that a header may begin with; where words are short, not of every word."""
        self._words_per_step = max(1, _OPTION_UNITS // units)
        self.places = {
            (point + overhead // UNIT_BYTES) % units
            for point in self._points
            for overhead in _TUNNELS.values()
        }
        """Units of a word that a tunnelled frame may begin with."""
        super().__init__(
            {
                "input": In(Word(params.width)),
                "load": In(1),
                "next_at": In(words),
                "word": In(Word(params.width)),
                "at": In(words),
                "capture": In(1),
                "begins": Out(units),
                "found": Out(1),
                "wrong": Out(1),
                "is_udp": Out(1),
                "udp_end": Out(17),
                "overhead": Out(7),
                "reach": Out(7),
                "is_network": Out(1),
                "network": Out(24),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.header = header = MovingTap(self.params, set(self._points), _SPAN)
        m.submodules.ahead = ahead = MovingTap(self.params, set(self._points), _SPAN)
        walked = Signal(_Walk)  # up to the word under inspection
        begins, kind_now = self._walk(m, walked)
        header_begins = Signal.like(begins)
        with m.If(self.load):
            m.d.sync += [
                header_begins.eq(begins),
                self.begins.eq(_by_tunnel(kind_now, map(ahead.begins_at, _TUNNELS.values()))),
            ]
        kind = Signal(NextHeader)
        position = Signal.like(walked.position)
        reached = Signal()
        with m.If(self.capture):
            m.d.sync += [kind.eq(walked.kind), position.eq(walked.position)]

        m.d.comb += [
            ahead.input.eq(self.input),
            ahead.capture.eq(self.load),
            ahead.first.eq(self.next_at[0]),
            ahead.begins.eq(begins),
            header.input.eq(self.word),
            header.capture.eq(self.capture),
            header.first.eq(self.at[0]),
            header.begins.eq(header_begins),
        ]
        with m.If(self.capture & self.at[0]):
            m.d.sync += reached.eq(0)
        with m.If(self.capture & header.begins.any()):
            m.d.sync += reached.eq(1)

        def match(value: int, offset: int, name: str) -> Value:
            return match_field(m, header, value, offset, UNIT_BYTES, name)

        is_gre = match(_GRE_WITH_KEY, 0, "gre") & match(_TRANSPARENT_BRIDGING, 2, "bridging")
        is_vxlan = match(_VXLAN_PORT, 2, "port")
        is_etherip = match(_ETHERIP_VERSION, 0, "etherip")
        datagram = Signal(16)
        capture_field(m, header, datagram, 4)
        vxlan_valid = Signal()
        with m.If(header.passes(8)):
            m.d.sync += vxlan_valid.eq(octet_at(header.word, 8)[_VXLAN_VALID])
        network = {"nvgre": Signal(24, name="vsid"), "vxlan": Signal(24, name="vni")}
        capture_field(m, header, network["nvgre"], 4)
        capture_field(m, header, network["vxlan"], 12)

        behind_options = Cat(Const(0, 3), position)
        m.d.comb += [
            self.found.eq(
                reached & (kind.ethernet | kind.etherip | (kind.nvgre & is_gre) | (kind.vxlan & is_vxlan))
            ),
            self.wrong.eq((kind.etherip & ~is_etherip) | (kind.vxlan & ~vxlan_valid)),
            self.is_udp.eq(kind.vxlan),
            self.udp_end.eq(datagram + behind_options),
            self.overhead.eq(behind_options + _by_tunnel(kind, _TUNNELS.values())),
            self.reach.eq(behind_options + Mux(kind.nvgre | kind.vxlan, 8, 0)),
            self.is_network.eq(kind.nvgre | kind.vxlan),
            self.network.eq(Mux(kind.vxlan, network["vxlan"], network["nvgre"])),
        ]
        return m

    def _walk(self, m: Module, walked: data.View) -> tuple[Value, data.View]:
        """From header to header through the word that is loaded; the units with which the first one begins that is no
        extension header, and what this one is.

        ``walked`` is how far the words before have come; its ``position`` counts in steps of 8 octets from the IPv6
        header's end.
        """
        units = self.params.word_bytes // UNIT_BYTES
        word = self.input.data
        first_here = self.next_at[self._first_word]
        first_point = self._points.index(OUTER_BYTES // UNIT_BYTES % units)
        next_word = _NEXT_HEADER // self.params.word_bytes
        next_kind = _decode(octet_at(self.input, _NEXT_HEADER))
        routing = Signal()  # a routing header's second unit is this word's first
        elsewhere = Signal()  # and says that segments are left
        m.d.comb += elsewhere.eq(routing & unit_of(word, 0)[:8].any())
        # No header begins in the word behind that of the one before if that has more than one word: a register is early
        # enough.
        stop_late = self._words_per_step > 1

        # One signal per point: as expressions they would double from point to point.
        states = [Signal(_Walk, name=f"walk_{index}") for index in range(len(self._points) + 1)]
        go_on = walked.seeking & ~self.next_at[0]
        m.d.comb += [
            states[0].seeking.eq(first_here | (go_on if stop_late else go_on & ~elsewhere)),
            states[0].left.eq(Mux(first_here, first_point, walked.left)),
            states[0].position.eq(Mux(first_here, 0, walked.position)),
            states[0].kind.eq(
                Mux(self.next_at[next_word], next_kind, walked.kind)
                if next_word == self._first_word
                else walked.kind
            ),
        ]
        now_routing = 0
        begins = Signal(units)
        for index, (point, now, then) in enumerate(zip(self._points, states, states[1:], strict=False)):
            here = Signal(name=f"here_{point}")
            extension = Signal(name=f"extension_{point}")
            advance = Signal(4, name=f"advance_{point}")
            following = Signal(4, name=f"position_{point}")
            unit = unit_of(word, point)
            length = unit[:8]
            m.d.comb += [
                here.eq(now.seeking & (now.left == index)),
                extension.eq(here & (now.kind.routing | now.kind.options)),
                begins[point].eq(here & ~extension),
                advance.eq(length[:3] + 1),
                following.eq(now.position + advance),
            ]
            good = ~(length[3:].any() | following[3])
            if point + 1 < units:
                good &= ~(now.kind.routing & unit_of(word, point + 1)[:8].any())
            else:
                now_routing = extension & now.kind.routing
            m.d.comb += then.eq(now)
            with m.If(here):
                m.d.comb += then.seeking.eq(extension & good)
            with m.If(extension):
                m.d.comb += [
                    then.left.eq(index + self._words_per_step * advance),
                    then.position.eq(following),
                    Value.cast(then.kind).eq(_decode(unit[8:])),
                ]
        end = states[-1]
        consumed = len(self._points) if units >= _OPTION_UNITS else 1
        with m.If(self.load):
            m.d.sync += [
                walked.eq(end),
                walked.left.eq(end.left - consumed),
                routing.eq(now_routing),
            ]
            if stop_late:
                m.d.sync += walked.seeking.eq(end.seeking & ~elsewhere)
            if next_word != self._first_word:
                with m.If(self.next_at[next_word]):
                    m.d.sync += walked.kind.eq(next_kind)
        # Where a word is too short for one header to end and the next one to begin, the register is as good.
        return begins, walked.kind if len(self._points) == 1 and next_word != self._first_word else end.kind
