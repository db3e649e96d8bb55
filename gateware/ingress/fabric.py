"""Parser of frames from the underlay."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..headers import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    FUNCTION_BITS,
    GROUP_PREFIX_BITS,
    IPV6_BYTES,
    NEIGHBOUR_SOLICITATION,
    NEXT_HEADER_ICMPV6,
    OUTER_BYTES,
    Congestion,
    Control,
    Drop,
    GroupAddress,
    Header,
    Keys,
)
from ..packet import PacketSignature
from ..params import MIN_FRAME, Params
from .access import is_link_local
from .checksum import ReplySum
from .ecn import Decongestion
from .fields import capture_field, match_field, octet_at
from .group import IPV4_GROUP, GroupMatch
from .moving import MovingTap
from .tap import LENGTH_BITS, WordTap
from .tunnel import TunnelFinder

__all__ = ["FabricParser"]

_INNER_ETHERNET = 14
_ECHO_BYTES = 8
_SOLICITATION_BYTES = 24
_ECHO_REQUEST = 128 << 8
"""Type and code."""
_SOLICITATION = NEIGHBOUR_SOLICITATION << 8
_HOP_LIMIT = 255
"""Proves that neighbour discovery was not routed (RFC 4861, 7.1.1)."""
_ADVERT_END = 86
_FUNCTION = OUTER_BYTES - FUNCTION_BITS // 8
"""Offset of the function in the outer destination."""
_SPAN = OUTER_BYTES + _SOLICITATION_BYTES
"""Octets that the parser looks at."""
_KEY_END = 11
"""Last octet of the tunnelled frame's source address."""
_IPV4_HEADER = 20
_INNER_SPAN = _INNER_ETHERNET + IPV6_BYTES
"""Octets of the tunnelled frame that the parser looks at."""


class _Captured(data.Struct):
    version_class: 16
    payload_length: 16
    next_header: 8
    outer_src: 128
    function: FUNCTION_BITS
    """Last bits of the outer destination."""
    dst: 48
    src: 48
    ip_start: 16
    ip_checksum: 16
    ipv4_group: 32
    """IPv4 destination of the tunnelled packet."""
    ipv6_group: 32
    """Last bits of its IPv6 destination."""
    is_ipv6_group: 1


class _Judged(data.Struct):
    congestion: Congestion
    octet: 8
    """Second one of the inner packet."""
    length: LENGTH_BITS
    end: 17
    """Behind the payload: may be beyond the frame."""
    total: ReplySum.TOTAL_BITS
    unspecified: 1
    rx_error: 1
    to_tunnel: 1
    """For this TEP, if it is a tunnel."""
    found: 1
    start: 7
    """Of the tunnelled frame."""
    reach: 7
    """Behind what the tunnel was told by."""
    echo: 1
    solicitation: 1
    discovery: 1
    inner: signed(17)
    """Octets of the tunnelled frame, if the payload is there."""
    wrong: 1
    is_udp: 1
    udp_end: 17
    """Where its datagram says that the packet ends."""
    inner_drop: Drop
    """By the addresses of the tunnelled frame."""
    lost: 1
    """Congestion was lost, if its packet has a whole header."""
    is_ipv4: 1
    is_ipv6: 1
    group: GroupAddress
    """If its packet has a whole header."""
    group_octet: 8


class _Weighed(data.Struct):
    """What follows from the lengths of a judged frame."""

    whole: 1
    """The payload is there."""
    told: 1
    """What the tunnel was told by, too."""
    contradicts: 1
    """What is around the tunnelled frame cannot be."""
    has_ethernet: 1
    """So much of the tunnelled frame is there, if the payload is: its header."""
    has_ipv4: 1
    has_ipv6: 1
    """With the whole header of a packet of this kind."""


class FabricParser(wiring.Component):
    """Reads the headers of frames from a fabric port, inline in the word stream.

    Latency: ``input`` to ``output`` 1 clock; the inner source's last octet at ``output`` to ``keys`` 1 clock; a
    frame's last word at ``output`` to its header 4 clocks. One word per clock, but for a frame whose keys come with
    its last word, because it ends there or has no tunnelled frame: it costs one clock more. ``input`` waits only for
    a third frame while two headers wait, and for a second frame while keys wait. One of each per frame, in order.

    ``drop`` is RX_ERROR for frames with ``error`` or shorter than 60 octets, else NOT_MINE, MALFORMED,
    BAD_SOURCE, LINK_LOCAL, ECN, or NONE. An ICMPv6 message that is no complete request for this TEP is NOT_MINE,
    whatever is wrong with it. In the keys, ``outer_src`` is valid unless ``drop`` is RX_ERROR or NOT_MINE;
    MAC addresses and network, and all other fields of the header, unless it is MALFORMED; ``length`` always.

    - A tunnelled frame (see :class:`TunnelFinder`): ``control`` is NONE, ``dst`` and ``src`` of the keys are the
      inner frame's, which stands from ``start`` to ``end``, the end of the IPv6 payload. ``congestion`` tells how
      its packet changes (RFC 6040, 4.2), ``traffic_class`` is the packet's new second octet, the low 16 bits of
      ``flow`` the new IPv4 header checksum. A frame of less than 34 octets keeps its ECN field. ``group`` is what
      stands for ``dst`` if that is a tenant's group address (see :class:`GroupMatch`).
    - ECHO: ``start`` is 0, ``end`` the end of the IPv6 payload; the low 16 bits of ``flow`` are the reply's
      checksum.
    - SOLICITATION: ``start`` is 0, ``end`` 86, the length of the answer; the low 16 bits of ``flow`` are
      the answer's checksum, bit 19 tells that the source was unspecified, so that the answer goes to
      ff02::1 with the solicited flag clear (RFC 4861, 7.2.4).
    - DISCOVERY: the frame is NOT_MINE, but ICMPv6 that no router has passed on (RFC 4861, 7.1).

    Members
    -------
    input, output
        The packet stream; ``output`` goes to packet memory.
    keys
        Stream of :class:`Keys`.
    header
        Stream of :class:`Header`.
    mac, address
        The TEP's own, on this port. Static while frames pass.
    group_prefix
        First bits of group addresses at which tunnelled frames are taken, too; none if 0. Static while frames pass.
    advert_sum
        :func:`~opentep.gateware.ingress.checksum.advert_sum` of ``address`` and ``mac``. Static.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(PacketSignature(params.width)),
                "output": Out(PacketSignature(params.width)),
                "keys": Out(stream.Signature(Keys)),
                "header": Out(stream.Signature(Header(params))),
                "mac": In(48),
                "address": In(128),
                "advert_sum": In(16),
                "sid_function": In(1),
                "group_prefix": In(GROUP_PREFIX_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.tap = tap = WordTap(self.params, _SPAN, weighs=True)
        m.submodules.reply = reply = ReplySum(self.params, len(tap.at))
        connect(m, flipped(self.input), tap.input)
        connect(m, tap.output, flipped(self.output))
        m.d.comb += [
            self.header.valid.eq(tap.header_valid),
            tap.header_ready.eq(self.header.ready),
            reply.word.eq(tap.word),
            reply.at.eq(tap.at),
            reply.capture.eq(tap.capture),
            reply.advert_sum.eq(self.advert_sum),
        ]

        m.submodules.finder = finder = TunnelFinder(self.params, len(tap.at))
        m.submodules.inner = inner = MovingTap(self.params, finder.places, _INNER_SPAN)
        m.submodules.decongestion = decongestion = Decongestion()
        captured = Signal(_Captured)
        for tapped, fields in (
            (
                tap,
                {
                    "version_class": OUTER_BYTES - IPV6_BYTES,
                    "payload_length": 18,
                    "next_header": 20,
                    "outer_src": ReplySum.SOURCE,
                    "function": _FUNCTION,
                },
            ),
            (
                inner,
                {
                    "dst": 0,
                    "src": 6,
                    "ip_start": 14,
                    "ip_checksum": 24,
                    "ipv4_group": 30,
                    "ipv6_group": 50,
                },
            ),
        ):
            for name, offset in fields.items():
                capture_field(m, tapped, captured[name], offset)
        m.d.comb += [
            finder.input.eq(self.input.payload),
            finder.load.eq(tap.load),
            finder.next_at.eq(tap.next_at),
            finder.word.eq(tap.word),
            finder.at.eq(tap.at),
            finder.capture.eq(tap.capture),
            inner.input.eq(tap.word),
            inner.capture.eq(tap.capture),
            inner.first.eq(tap.at[0]),
            inner.begins.eq(finder.begins),
            tap.key_end.eq(inner.at(_KEY_END)),
            self.keys.payload.network.eq(Mux(finder.is_network, finder.network, captured.function)),
        ]
        m.d.comb += [
            self.keys.valid.eq(tap.keys_valid),
            tap.keys_ready.eq(self.keys.ready),
            *(self.keys.payload[name].eq(captured[name]) for name in ("dst", "src", "outer_src")),
        ]

        def match(value, offset: int, size: int, name: str):
            return match_field(m, tap, value, offset, size, name)

        solicited_node = Cat(
            self.address[:24], Const(0xFF02_0000_0000_0000_0000_0001_FF, 104)
        )  # RFC 4291, 2.7.1
        to_mac = match(self.mac, 0, 6, "mac")
        to_group = match(0x3333, 0, 2, "group_mac")
        is_ipv6 = match(ETHERTYPE_IPV6, 12, 2, "ethertype") & (captured.version_class[12:] == 6)
        # Locator and function of the destination; they meet in the middle of a unit.
        locator_end = Signal()
        function_start = Signal()
        with m.If(tap.passes(_FUNCTION)):
            m.d.sync += [
                locator_end.eq(octet_at(tap.word, _FUNCTION - 1) == self.address.word_select(3, 8)),
                function_start.eq(octet_at(tap.word, _FUNCTION) == self.address.word_select(2, 8)),
            ]
        to_locator = match(self.address >> 32, 38, 12, "locator") & locator_end
        own_function = match(self.address, 52, 2, "function") & function_start
        to_address = to_locator & own_function
        # Every group's address begins with ff.
        grouped = match(self.group_prefix, 38, GROUP_PREFIX_BITS // 8, "group_prefix") & self.group_prefix[-1]
        # The destination's function is a virtual network. Behind a group's prefix it is only part of the address.
        named = self.sid_function & ~own_function & ~grouped
        m.d.comb += self.keys.payload.is_network.eq(finder.is_network | named)
        to_group_address = match(solicited_node, 38, 16, "solicited_node")
        is_request = match(_ECHO_REQUEST, 54, 2, "echo")
        is_solicitation = match(_SOLICITATION, 54, 2, "solicitation")
        about_address = match(self.address, 62, 16, "target")
        is_unrouted = match(NEXT_HEADER_ICMPV6 << 8 | _HOP_LIMIT, 20, 2, "unrouted")
        inner_ipv4 = match_field(m, inner, ETHERTYPE_IPV4, 12, 2, "inner_ipv4")
        inner_ipv6 = match_field(m, inner, ETHERTYPE_IPV6, 12, 2, "inner_ipv6")
        with m.If(inner.passes(38)):
            m.d.sync += captured.is_ipv6_group.eq(octet_at(inner.word, 38).all())
        m.submodules.group = group = GroupMatch(restores=True)
        m.d.comb += [
            reply.is_echo.eq(is_request),
            group.dst.eq(captured.dst),
            group.is_ipv4.eq(inner_ipv4 & (captured.ipv4_group[28:] == IPV4_GROUP)),
            group.is_ipv6.eq(inner_ipv6 & captured.is_ipv6_group),
            group.ip.eq(Mux(inner_ipv4, captured.ipv4_group, captured.ipv6_group)),
        ]

        judged = Signal(_Judged)
        size = captured.payload_length
        m.d.comb += [
            decongestion.outer.eq(captured.version_class[4:6]),
            decongestion.is_ipv4.eq(inner_ipv4),
            decongestion.is_ipv6.eq(inner_ipv6),
            decongestion.octet.eq(captured.ip_start[:8]),
            decongestion.checksum.eq(captured.ip_checksum),
        ]
        with m.If(tap.judge):
            m.d.sync += [
                judged.congestion.eq(decongestion.congestion),
                judged.octet.eq(decongestion.new_octet),
                judged.length.eq(tap.length),
                judged.end.eq(OUTER_BYTES + size),
                judged.total.eq(Mux(finder.found, decongestion.new_sum, reply.total)),
                judged.unspecified.eq(reply.unspecified),
                judged.rx_error.eq(tap.error | (tap.length < MIN_FRAME)),
                judged.to_tunnel.eq(
                    is_ipv6
                    & ((to_mac & to_locator & (own_function | self.sid_function)) | (to_group & grouped))
                ),
                judged.found.eq(finder.found),
                judged.start.eq(OUTER_BYTES + finder.overhead),
                judged.reach.eq(OUTER_BYTES + finder.reach),
                judged.echo.eq(
                    is_ipv6
                    & to_mac
                    & to_address
                    & (captured.next_header == NEXT_HEADER_ICMPV6)
                    & is_request
                    & (size >= _ECHO_BYTES)
                ),
                judged.solicitation.eq(
                    is_ipv6
                    & (to_mac | to_group)
                    & (to_address | to_group_address)
                    & is_unrouted
                    & is_solicitation
                    & about_address
                    & (size >= _SOLICITATION_BYTES)
                ),
                judged.discovery.eq(is_ipv6 & (to_mac | to_group) & is_unrouted),
                judged.inner.eq(size - finder.overhead),
                judged.wrong.eq(finder.wrong),
                judged.is_udp.eq(finder.is_udp),
                judged.udp_end.eq(OUTER_BYTES + finder.udp_end),
                judged.lost.eq(decongestion.lost),
                judged.is_ipv4.eq(inner_ipv4),
                judged.is_ipv6.eq(inner_ipv6),
                judged.group.eq(group.kind),
                judged.group_octet.eq(group.octet),
            ]
            with m.If(captured.src[40] | (captured.src == 0)):
                m.d.sync += judged.inner_drop.eq(Drop.BAD_SOURCE)
            with m.Elif(is_link_local(captured.dst)):
                m.d.sync += judged.inner_drop.eq(Drop.LINK_LOCAL)
            with m.Else():
                m.d.sync += judged.inner_drop.eq(Drop.NONE)

        # Comparisons, a clock behind the judged rank.
        weighed = Signal(_Weighed)
        m.d.sync += [
            weighed.whole.eq(judged.end <= judged.length),
            weighed.told.eq((judged.reach <= judged.end) & (judged.reach <= judged.length)),
            weighed.contradicts.eq(judged.wrong | (judged.is_udp & (judged.udp_end != judged.end))),
            weighed.has_ethernet.eq(judged.inner >= _INNER_ETHERNET),
            weighed.has_ipv4.eq(judged.inner >= _INNER_ETHERNET + _IPV4_HEADER),
            weighed.has_ipv6.eq(judged.inner >= _INNER_ETHERNET + IPV6_BYTES),
        ]

        header = self.header.payload
        whole, has_packet = weighed.whole, weighed.has_ipv4
        tunnel = judged.to_tunnel & judged.found & weighed.told
        cut_short = Mux(judged.is_ipv4, ~has_packet, judged.is_ipv6 & ~weighed.has_ipv6)
        inner_drop = Signal(Drop)
        with m.If(~whole | weighed.contradicts | ~weighed.has_ethernet):
            m.d.comb += inner_drop.eq(Drop.MALFORMED)
        with m.Elif((judged.inner_drop == Drop.NONE) & judged.lost & has_packet):
            m.d.comb += inner_drop.eq(Drop.ECN)
        with m.Else():
            m.d.comb += inner_drop.eq(judged.inner_drop)
        control = Signal(Control)
        with m.If(~judged.rx_error & whole):
            with m.If(judged.echo):
                m.d.comb += control.eq(Control.ECHO)
            with m.Elif(judged.solicitation):
                m.d.comb += control.eq(Control.SOLICITATION)
            with m.Elif(judged.discovery):
                m.d.comb += control.eq(Control.DISCOVERY)
        with m.If(tap.finish):
            m.d.sync += [
                header.control.eq(control),
                header.start.eq(Mux(tunnel, judged.start, 0)),
                header.end.eq(Mux(judged.solicitation, _ADVERT_END, judged.end)),
                header.length.eq(judged.length),
                header.congestion.eq(Mux(has_packet, judged.congestion, Congestion.SAME)),
                header.traffic_class.eq(judged.octet),
                header.group.eq(Mux(cut_short, GroupAddress.NONE, judged.group)),
                header.group_octet.eq(judged.group_octet),
                header.flow.eq(Cat(reply.checksum(judged.total), Const(0, 3), judged.unspecified)),
            ]
            with m.If(judged.rx_error):
                m.d.sync += header.drop.eq(Drop.RX_ERROR)
            with m.Elif(tunnel):
                m.d.sync += header.drop.eq(inner_drop)
            with m.Elif((judged.echo | judged.solicitation) & whole):
                m.d.sync += header.drop.eq(Drop.NONE)
            with m.Else():
                m.d.sync += header.drop.eq(Drop.NOT_MINE)
        return m
