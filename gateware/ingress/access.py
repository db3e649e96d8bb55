"""Parser of frames from servers."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..headers import Drop, Header
from ..packet import PacketSignature
from ..params import MIN_FRAME, Params
from .fields import capture_field
from .flow import FLOW_SPAN, Classifier, FlowClass, FlowHash
from .tap import LENGTH_BITS, WordTap

__all__ = ["AccessParser", "VlanTag", "is_link_local"]


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
    tag: VlanTag
    """The two octets at 14: the tag, or the start of an untagged IP packet."""
    tagged_ip: _IpStart
    kind: FlowClass


class _Judged(data.Struct):
    dst: 48
    src: 48
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


class AccessParser(wiring.Component):
    """Reads the headers of frames from an access port, inline in the word stream.

    Latency: ``input`` to ``output`` 1 clock; a frame's last word at ``output`` to its header 3 clocks. One
    word, and one frame, per clock; ``input`` waits only while two headers wait for the third frame's sake.
    One header per frame, in order.

    ``drop`` is RX_ERROR for frames with ``error`` or shorter than 60 octets (all other fields are undefined
    then), else UNTAGGED, LINK_LOCAL, BAD_SOURCE, or NONE. ``start`` is 0, ``end`` the frame's length.

    Members
    -------
    input, output
        The packet stream; ``output`` goes to packet memory.
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
        capture_field(m, tap, captured.tag.as_value(), 14)
        capture_field(m, tap, captured.tagged_ip.as_value(), 18)
        with m.If(tap.capture):
            m.d.sync += captured.kind.eq(classifier.kind)

        judged = Signal(_Judged)
        tag, kind = captured.tag, captured.kind
        has_vlan = kind.tagged & (tag.vid != 0) & (tag.vid != 0xFFF)
        ip = _IpStart(Mux(kind.tagged, captured.tagged_ip.as_value(), tag.as_value()))
        with m.If(tap.judge):
            m.d.sync += [
                judged.dst.eq(captured.dst),
                judged.src.eq(captured.src),
                judged.tagged.eq(kind.tagged),
                judged.vid.eq(Mux(has_vlan, tag.vid, self.native_vid)),
                judged.pcp_dei.eq(Mux(kind.tagged, tag.pcp_dei, 0)),
                judged.length.eq(tap.length),
                judged.traffic_class.eq(
                    Mux(kind.ipv4, ip.ipv4_tos, Mux(kind.ipv6, ip.ipv6_traffic_class, 0))
                ),
                judged.label.eq(flow_hash.label),
                judged.rx_error.eq(tap.error | (tap.length < MIN_FRAME)),
                judged.untagged.eq(~has_vlan & (self.native_vid == 0)),
                judged.link_local.eq(is_link_local(captured.dst)),
                judged.bad_source.eq(captured.src[40] | (captured.src == 0)),
            ]

        header = self.header.payload
        with m.If(tap.finish):
            m.d.sync += [
                header.dst.eq(judged.dst),
                header.src.eq(judged.src),
                header.tagged.eq(judged.tagged),
                header.vid.eq(judged.vid),
                header.pcp_dei.eq(judged.pcp_dei),
                header.end.eq(judged.length),
                header.traffic_class.eq(judged.traffic_class),
                header.flow.eq(Mux(judged.label == 0, 1, judged.label)),
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
