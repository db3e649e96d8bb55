"""Parser of frames from servers."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..headers import (
    ETHERTYPE_ARP,
    GROUP_BIT,
    IPV6_BYTES,
    NEIGHBOUR_SOLICITATION,
    NEXT_HEADER_ICMPV6,
    TAG_BYTES,
    Drop,
    GroupAddress,
    Header,
    Keys,
)
from ..packet import PacketSignature
from ..params import MIN_FRAME, Params
from .fields import capture_field, field, octet_at
from .flow import FLOW_SPAN, Classifier, FlowClass, FlowHash
from .group import IPV4_GROUP, GroupMatch
from .tap import LENGTH_BITS, WordTap

__all__ = ["AccessParser", "VlanTag", "is_link_local"]

_TCI = 14
"""Offset of the tag control information, or of an untagged IP packet."""
_LONGEST_REQUEST_BITS = 7
"""Frames that may ask for an address have fewer octets than a cell of packet memory, in which they are looked at."""
_VID_ANY, _VID_RESERVED = 0, 0xFFF
"""Not VLAN IDs (IEEE 802.1Q, table 9-2)."""


class VlanTag(data.Struct):
    """Tag control information (IEEE 802.1Q, 9.6)."""

    vid: 12
    pcp_dei: 4


class _IpStart(data.Struct):
    """The first two octets of an IP packet."""

    octet_1: 8
    octet_0: 8

    @property
    def ipv4_tos(self):
        return self.octet_1

    @property
    def ipv6_traffic_class(self):
        return self.as_value()[4:12]


def is_link_local(mac):
    """01:80:c2:00:00:00 to 0f, which bridges never forward (IEEE 802.1Q, 8.6.3)."""
    return mac[4:] == 0x0180C200000


class _Captured(data.Struct):
    dst: 48
    src: 48
    vid: 12
    pcp_dei: 4
    untagged: 1
    untagged_ip: _IpStart
    tagged_ip: _IpStart
    kind: FlowClass
    ip_group: 32
    """Last bits of the IP destination."""
    is_ipv6_group: 1


class _Judged(data.Struct):
    tagged: 1
    vid: 12
    pcp_dei: 4
    length: LENGTH_BITS
    traffic_class: 8
    label: 20
    rx_error: 1
    untagged: 1
    link_local: 1
    bad_source: 1
    group: GroupAddress
    group_octet: 8


class AccessParser(wiring.Component):
    """Reads the headers of frames from an access port, inline in the word stream.

    Latency: ``input`` to ``output`` 1 clock; octet 15 at ``output`` to ``keys`` 1 clock; a frame's last word
    at ``output`` to its header 3 clocks. One word per clock, but for a frame that
    ends with the last word of its keys, which costs one clock more; ``input`` waits only for a third frame while
    two headers wait, and for a second frame while keys wait. One of each per frame, in order;
    keys of a frame shorter than 60 octets are undefined.

    ``drop`` is RX_ERROR for frames with ``error`` or shorter than 60 octets (all other fields but ``length`` are
    undefined then), else UNTAGGED, LINK_LOCAL, BAD_SOURCE, or NONE. ``start`` is 0, ``end`` the
    frame's length. ``asks`` tells all ARP and neighbour solicitations to groups in frames of up to 127 octets, and
    little else.

    Members
    -------
    input, output
        The packet stream; ``output`` goes to packet memory.
    keys
        Stream of :class:`Keys`.
    header
        Stream of :class:`Header`.
    native_vid
        VLAN ID of frames that are untagged, or tagged with VID 0 or 4095; 0 drops them. A frame with a tag
        keeps its priority and is still ``tagged``.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(PacketSignature(params.width)),
                "output": Out(PacketSignature(params.width)),
                "keys": Out(stream.Signature(Keys)),
                "header": Out(stream.Signature(Header(params))),
                "native_vid": In(12),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.tap = tap = WordTap(self.params, FLOW_SPAN)
        m.submodules.classifier = classifier = Classifier(self.params, len(tap.at))
        m.submodules.hash = flow_hash = FlowHash(self.params, len(tap.at))
        connect(m, flipped(self.input), tap.input)
        connect(m, tap.output, flipped(self.output))
        m.d.comb += [
            self.header.valid.eq(tap.header_valid),
            tap.header_ready.eq(self.header.ready),
            tap.key_end.eq(tap.at[_TCI // self.params.word_bytes]),
            classifier.word.eq(self.input.payload),
            classifier.load.eq(tap.load),
            classifier.next_at.eq(tap.next_at),
            flow_hash.word.eq(tap.word),
            flow_hash.at.eq(tap.at),
            flow_hash.capture.eq(tap.capture),
            flow_hash.kind.eq(classifier.kind),
        ]

        captured = Signal(_Captured)
        capture_field(m, tap, captured.dst, 0)
        capture_field(m, tap, captured.src, 6)
        capture_field(m, tap, captured.untagged_ip.as_value(), _TCI)
        capture_field(m, tap, captured.tagged_ip.as_value(), 18)
        with m.If(tap.capture):
            m.d.sync += captured.kind.eq(classifier.kind)
        self._capture_vlan(m, tap, captured, classifier.kind.tagged)
        self._capture_group(m, tap, captured, classifier.kind)
        m.submodules.group = group = GroupMatch(restores=False)
        m.d.comb += [
            group.dst.eq(captured.dst),
            group.is_ipv4.eq(captured.kind.ipv4 & (captured.ip_group[28:] == IPV4_GROUP)),
            group.is_ipv6.eq(captured.kind.ipv6 & captured.is_ipv6_group),
            group.ip.eq(captured.ip_group),
        ]
        m.d.comb += [
            self.keys.valid.eq(tap.keys_valid),
            tap.keys_ready.eq(self.keys.ready),
            *(self.keys.payload[name].eq(captured[name]) for name in ("dst", "src", "vid")),
        ]

        judged = Signal(_Judged)
        kind = captured.kind
        ip = _IpStart(Mux(kind.tagged, captured.tagged_ip.as_value(), captured.untagged_ip.as_value()))
        with m.If(tap.judge):
            m.d.sync += [
                judged.tagged.eq(kind.tagged),
                judged.vid.eq(captured.vid),
                judged.pcp_dei.eq(captured.pcp_dei),
                judged.length.eq(tap.length),
                judged.traffic_class.eq(
                    Mux(kind.ipv4, ip.ipv4_tos, Mux(kind.ipv6, ip.ipv6_traffic_class, 0))
                ),
                judged.label.eq(flow_hash.label),
                judged.rx_error.eq(tap.error | (tap.length < MIN_FRAME)),
                judged.untagged.eq(captured.untagged),
                judged.link_local.eq(is_link_local(captured.dst)),
                judged.bad_source.eq(captured.src[40] | (captured.src == 0)),
                judged.group.eq(group.kind),
                judged.group_octet.eq(group.octet),
            ]

        header = self.header.payload
        if self.params.suppresses:
            asks = Signal()  # judged
            is_short = ~tap.length[_LONGEST_REQUEST_BITS:].any()
            is_request = self._capture_request(m, tap, classifier.kind, captured)
            with m.If(tap.judge):
                m.d.sync += asks.eq(captured.dst[GROUP_BIT] & is_short & is_request)
            with m.If(tap.finish):
                m.d.sync += header.asks.eq(asks)
        with m.If(tap.finish):
            m.d.sync += [
                header.tagged.eq(judged.tagged),
                header.vid.eq(judged.vid),
                header.pcp_dei.eq(judged.pcp_dei),
                header.end.eq(judged.length),
                header.length.eq(judged.length),
                header.packet.eq(judged.length + Mux(judged.tagged, IPV6_BYTES - TAG_BYTES, IPV6_BYTES)),
                header.traffic_class.eq(judged.traffic_class),
                header.flow.eq(Mux(judged.label == 0, 1, judged.label)),
                header.group.eq(judged.group),
                header.group_octet.eq(judged.group_octet),
            ]
            with m.If(judged.rx_error):
                m.d.sync += header.drop.eq(Drop.RX_ERROR)
            with m.Elif(judged.untagged):
                m.d.sync += header.drop.eq(Drop.UNTAGGED)
            with m.Elif(judged.link_local):
                m.d.sync += header.drop.eq(Drop.LINK_LOCAL)
            with m.Elif(judged.bad_source):
                m.d.sync += header.drop.eq(Drop.BAD_SOURCE)
            with m.Else():
                m.d.sync += header.drop.eq(Drop.NONE)
        return m

    def _capture_group(self, m: Module, tap, captured, kind):
        """Keep what tells an IP destination that is a group."""
        for tagged, behind in ((kind.tagged, TAG_BYTES), (~kind.tagged, 0)):
            with m.If(tagged & kind.ipv4):
                capture_field(m, tap, captured.ip_group, 30 + behind)
            with m.If(tagged & kind.ipv6):
                capture_field(m, tap, captured.ip_group, 50 + behind)
            with m.If(tagged & tap.passes(38 + behind)):
                m.d.sync += captured.is_ipv6_group.eq(octet_at(tap.word, 38 + behind).all())

    def _capture_request(self, m: Module, tap, kind, captured) -> Value:
        """Keep what tells ARP and neighbour solicitations; whether it is one, in the captured rank."""
        is_arp, is_icmp, solicits = Signal(), Signal(), Signal()
        for tagged, behind in ((kind.tagged, TAG_BYTES), (~kind.tagged, 0)):
            for flag, offset, size, value in (
                (is_arp, 12, 2, ETHERTYPE_ARP),
                (is_icmp, 20, 1, NEXT_HEADER_ICMPV6),
                (solicits, 54, 1, NEIGHBOUR_SOLICITATION),
            ):
                with m.If(tagged & tap.passes(offset + behind)):
                    m.d.sync += flag.eq(field(tap.word, offset + behind, size) == value)
        return is_arp | (captured.kind.ipv6 & is_icmp & solicits)

    def _capture_vlan(self, m: Module, tap, captured, tagged):
        """Keep the frame's VLAN. Whether the tag has one is found out as its word is loaded."""
        word = _TCI // self.params.word_bytes
        vid = VlanTag(field(self.input.payload, _TCI, 2)).vid
        reserved = Signal()
        no_native = Signal()
        m.d.sync += no_native.eq(self.native_vid == 0)
        with m.If(tap.load & tap.next_at[word]):
            m.d.sync += reserved.eq((vid == _VID_ANY) | (vid == _VID_RESERVED))
        tag = VlanTag(field(tap.word, _TCI, 2))
        has_vlan = tagged & ~reserved
        with m.If(tap.capture & tap.at[word]):
            m.d.sync += [
                captured.vid.eq(Mux(has_vlan, tag.vid, self.native_vid)),
                captured.pcp_dei.eq(Mux(tagged, tag.pcp_dei, 0)),
                captured.untagged.eq(~has_vlan & no_native),
            ]
