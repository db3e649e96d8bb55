"""One PHY as access port and fabric port: the VLAN tag tells frames apart."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from .headers import ETHERTYPE_VLAN
from .packet import PacketSignature, Word

__all__ = ["TrunkSplit"]

_TYPE_OCTET = 12
"""Where a frame's EtherType begins: behind two MAC addresses."""
_TAG_TYPE = int.from_bytes(ETHERTYPE_VLAN.to_bytes(2, "big"), "little")
_DEPTH = 16
"""ECP5's distributed RAM is 16 deep; enough for the words up to the EtherType and those that come meanwhile."""


class TrunkSplit(wiring.Component):
    """Frames with an 802.1Q tag to ``tagged``, all others to ``untagged``, each whole and as it came.

    The link is a trunk whose native VLAN is the underlay: servers' frames come with their VM's tag, those of the
    underlay without. A frame too short for an EtherType is untagged. The other way
    :class:`.egress.merge.Merge` puts the frames of both ports onto the PHY.

    Latency: 3 clocks behind the word that holds the EtherType, or behind the last one.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__(
            {
                "input": In(PacketSignature(width, always_ready=True)),
                "tagged": Out(PacketSignature(width, always_ready=True)),
                "untagged": Out(PacketSignature(width, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # As many words come in at most as go out, and those kept back are fewer than there is room for.
        m.submodules.words = words = SyncFIFO(width=Word(self.width).size, depth=_DEPTH)
        m.submodules.choices = choices = SyncFIFO(width=1, depth=_DEPTH)
        octets = self.width // 8
        type_word, type_offset = divmod(_TYPE_OCTET, octets)

        word = self.input.payload
        index = Signal(range(type_word + 2))  # stays behind the word that decides
        decided = Signal()
        has_type = Signal()
        m.d.comb += [
            words.w_en.eq(self.input.valid),
            words.w_data.eq(word),
            decided.eq(index == type_word + 1),
            has_type.eq((index == type_word) & (~word.last | (word.count >= type_offset + 2))),
            choices.w_en.eq(self.input.valid & ~decided & (word.last | (index == type_word))),
            choices.w_data.eq(has_type & (word.data.word_select(type_offset // 2, 16) == _TAG_TYPE)),
        ]
        with m.If(self.input.valid):
            with m.If(word.last):
                m.d.sync += index.eq(0)
            with m.Elif(~decided):
                m.d.sync += index.eq(index + 1)

        passed = Signal(Word(self.width))
        valid, tagged = Signal(), Signal()
        goes = Signal()
        m.d.comb += [
            goes.eq(words.r_rdy & choices.r_rdy),
            words.r_en.eq(goes),
            choices.r_en.eq(goes & Word(self.width)(words.r_data).last),
            self.tagged.valid.eq(valid & tagged),
            self.untagged.valid.eq(valid & ~tagged),
            self.tagged.payload.eq(passed),
            self.untagged.payload.eq(passed),
        ]
        m.d.sync += [valid.eq(goes), passed.eq(words.r_data), tagged.eq(choices.r_data)]
        return m
