"""Parser of frames from the underlay."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..headers import (
    ETHERTYPE_IPV6,
    NEXT_HEADER_ETHERNET,
    NEXT_HEADER_ICMPV6,
    OUTER_BYTES,
    Control,
    Drop,
    Header,
    Keys,
)
from ..packet import PacketSignature
from ..params import MIN_FRAME, Params
from .access import is_link_local
from .checksum import ReplySum
from .fields import capture_field, match_field
from .tap import LENGTH_BITS, WordTap

__all__ = ["FabricParser"]

_ETHERTYPE_IPV4 = 0x0800
_INNER_ETHERNET = 14
_ECHO_BYTES = 8
_SOLICITATION_BYTES = 24
_ECHO_REQUEST = 128 << 8
"""Type and code."""
_SOLICITATION = 135 << 8
_HOP_LIMIT = 255
"""Proves that neighbour discovery was not routed (RFC 4861, 7.1.1)."""
_ADVERT_END = 86
_SPAN = OUTER_BYTES + _SOLICITATION_BYTES
"""Octets that the parser looks at."""
_INNER_DST, _INNER_SRC = OUTER_BYTES, OUTER_BYTES + 6
_KEY_SPAN = _INNER_SRC + 6


class _Captured(data.Struct):
    payload_length: 16
    next_header: 8
    outer_src: 128
    dst: 48
    src: 48
    ip_start: 16
    version: 8


class _Judged(data.Struct):
    traffic_class: 8
    length: LENGTH_BITS
    end: 17
    """Behind the payload: may be beyond the frame."""
    total: ReplySum.TOTAL_BITS
    unspecified: 1
    rx_error: 1
    tunnel: 1
    echo: 1
    solicitation: 1
    inner_drop: Drop
    """If it is a tunnelled frame and whole."""


class FabricParser(wiring.Component):
    """Reads the headers of frames from a fabric port, inline in the word stream.

    Latency: ``input`` to ``output`` 1 clock; octet 65 at ``output`` to ``keys`` 1 clock; a frame's last word
    at ``output`` to its header 3 clocks. One word per clock, but for a frame that
    ends with the last word of its keys, which costs one clock more; ``input`` waits only for a third frame while
    two headers wait, and for a second frame while keys wait. One of each per frame, in order.

    ``drop`` is RX_ERROR for frames with ``error`` or shorter than 60 octets, else NOT_MINE, MALFORMED,
    BAD_SOURCE, LINK_LOCAL, or NONE. An ICMPv6 message that is no complete request for this TEP is NOT_MINE,
    whatever is wrong with it. In the keys, ``outer_src`` is valid unless ``drop`` is RX_ERROR or NOT_MINE;
    MAC addresses, and all other fields of the header, unless it is MALFORMED.

    - Ethernet in IPv6: ``control`` is NONE, ``traffic_class``, and ``dst`` and ``src`` of the keys, are of
      the inner frame, ``start`` is 54, ``end`` the end of the IPv6 payload.
    - ECHO: ``start`` is 0, ``end`` the end of the IPv6 payload; the low 16 bits of ``flow`` are the reply's
      checksum.
    - SOLICITATION: ``start`` is 0, ``end`` 86, the length of the answer; the low 16 bits of ``flow`` are
      the answer's checksum, bit 19 tells that the source was unspecified, so that the answer goes to
      ff02::1 with the solicited flag clear (RFC 4861, 7.2.4).

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
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.tap = tap = WordTap(self.params, _SPAN, _KEY_SPAN)
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

        captured = Signal(_Captured)
        for name, offset in {
            "version": 14,
            "payload_length": 18,
            "next_header": 20,
            "outer_src": ReplySum.SOURCE,
            "dst": _INNER_DST,
            "src": _INNER_SRC,
            "ip_start": 68,
        }.items():
            capture_field(m, tap, captured[name], offset)
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
        is_ipv6 = match(ETHERTYPE_IPV6, 12, 2, "ethertype") & (captured.version[4:] == 6)
        to_address = match(self.address, 38, 16, "address")
        to_group_address = match(solicited_node, 38, 16, "solicited_node")
        is_request = match(_ECHO_REQUEST, 54, 2, "echo")
        is_solicitation = match(_SOLICITATION, 54, 2, "solicitation")
        about_address = match(self.address, 62, 16, "target")
        is_unrouted = match(NEXT_HEADER_ICMPV6 << 8 | _HOP_LIMIT, 20, 2, "unrouted")
        inner_ipv4 = match(_ETHERTYPE_IPV4, 66, 2, "inner_ipv4")
        inner_ipv6 = match(ETHERTYPE_IPV6, 66, 2, "inner_ipv6")
        m.d.comb += reply.is_echo.eq(is_request)

        judged = Signal(_Judged)
        size = captured.payload_length
        inner_class = Mux(inner_ipv4, captured.ip_start[:8], Mux(inner_ipv6, captured.ip_start[4:12], 0))
        with m.If(tap.judge):
            m.d.sync += [
                judged.traffic_class.eq(Mux(size >= _INNER_ETHERNET + 2, inner_class, 0)),
                judged.length.eq(tap.length),
                judged.end.eq(OUTER_BYTES + size),
                judged.total.eq(reply.total),
                judged.unspecified.eq(reply.unspecified),
                judged.rx_error.eq(tap.error | (tap.length < MIN_FRAME)),
                judged.tunnel.eq(
                    is_ipv6 & to_mac & to_address & (captured.next_header == NEXT_HEADER_ETHERNET)
                ),
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
            ]
            with m.If(size < _INNER_ETHERNET):
                m.d.sync += judged.inner_drop.eq(Drop.MALFORMED)
            with m.Elif(captured.src[40] | (captured.src == 0)):
                m.d.sync += judged.inner_drop.eq(Drop.BAD_SOURCE)
            with m.Elif(is_link_local(captured.dst)):
                m.d.sync += judged.inner_drop.eq(Drop.LINK_LOCAL)
            with m.Else():
                m.d.sync += judged.inner_drop.eq(Drop.NONE)

        header = self.header.payload
        whole = judged.end <= judged.length
        control = Signal(Control)
        with m.If(~judged.rx_error & whole):
            with m.If(judged.echo):
                m.d.comb += control.eq(Control.ECHO)
            with m.Elif(judged.solicitation):
                m.d.comb += control.eq(Control.SOLICITATION)
        with m.If(tap.finish):
            m.d.sync += [
                header.control.eq(control),
                header.start.eq(Mux(judged.tunnel, OUTER_BYTES, 0)),
                header.end.eq(Mux(judged.solicitation, _ADVERT_END, judged.end)),
                header.traffic_class.eq(judged.traffic_class),
                header.flow.eq(Cat(reply.checksum(judged.total), Const(0, 3), judged.unspecified)),
            ]
            with m.If(judged.rx_error):
                m.d.sync += header.drop.eq(Drop.RX_ERROR)
            with m.Elif(judged.tunnel):
                m.d.sync += header.drop.eq(Mux(whole, judged.inner_drop, Drop.MALFORMED))
            with m.Elif((judged.echo | judged.solicitation) & whole):
                m.d.sync += header.drop.eq(Drop.NONE)
            with m.Else():
                m.d.sync += header.drop.eq(Drop.NOT_MINE)
        return m
