"""Frames from GMII octets."""

from amaranth.hdl import Cat, Const, Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..crc32 import CRC_OCTETS, crc32_processor
from ..packet import PacketSignature
from ..phy.gmii import GmiiReceive
from .frame import MAX_FRAME, MIN_FRAME, PREAMBLE, SFD, check_max_frame

__all__ = ["Receiver"]


class Receiver(wiring.Component):
    """Takes preamble and FCS away; a bad frame has ``error`` on its last octet.

    Bad is a frame with a wrong FCS, with RX_ER, shorter than 64 octets (runt) or longer than ``max_frame`` (giant,
    cut there), FCS included in both. Padding stays. The receiver begins with the first packet that it sees from its
    beginning.

    - Any number of preamble octets is right, none included (IEEE 802.3, 35.2.3.2). A packet whose octets before the
      SFD are anything else is discarded without a trace. 4.2.9 would let the receiver hunt on for an SFD, which
      could be one in the payload, put there for this purpose with a whole frame behind it.
    - Fewer than five octets behind the SFD leave no trace either.
    - RX_ER without RX_DV (carrier extension, false carrier) is ignored.
    - The next packet may begin after one octet time without RX_DV.

    An octet is out one clock after the fifth one behind it, or the end of the packet in its place, has come in.
    ``output`` is registered.
    """

    def __init__(self, max_frame: int = MAX_FRAME):
        check_max_frame(max_frame)
        self.max_frame = max_frame
        super().__init__({"gmii": In(GmiiReceive()), "output": Out(PacketSignature(8, always_ready=True))})

    def elaborate(self, platform):
        m = Module()
        gmii, output = self.gmii, self.output
        inside = Signal()  # behind the SFD
        skip = Signal(init=1)  # up to the end of the packet
        octet = Signal()
        end = Signal()
        cut = Signal()
        m.d.comb += [
            octet.eq(gmii.enable & gmii.valid & inside),
            end.eq(~gmii.valid | cut),
        ]
        with m.If(gmii.enable):
            with m.If(~gmii.valid):
                m.d.sync += [inside.eq(0), skip.eq(0)]
            with m.Elif(inside):
                m.d.sync += [inside.eq(~cut), skip.eq(cut)]
            with m.Elif(~skip & ~gmii.error & (gmii.data == SFD)):
                m.d.sync += inside.eq(1)
            with m.Elif(gmii.error | (gmii.data != PREAMBLE)):
                m.d.sync += skip.eq(1)

        m.submodules.crc = crc = ResetInserter(~inside)(crc32_processor())
        m.d.comb += [crc.data.eq(gmii.data), crc.valid.eq(octet)]

        # One bit more than is counted, which the octet behind the longest frame finds set.
        bits = self.max_frame.bit_length()
        start = (1 << bits) - self.max_frame
        count = Signal(bits + 1, init=start)
        low = MIN_FRAME.bit_length() - 1
        long = Signal()
        bad = Signal()
        with m.If(~inside):
            m.d.sync += [count.eq(start), long.eq(0), bad.eq(0)]
        with m.Elif(octet):
            m.d.sync += count.eq(count + 1)
            # The low bits come to this value first with the last octet of a minimum frame.
            with m.If(count[:low] == (start - 1) % MIN_FRAME):
                m.d.sync += long.eq(1)
            with m.If(gmii.error):
                m.d.sync += bad.eq(1)
        m.d.comb += cut.eq(count[-1])

        # The FCS stays in here, and one octet more, since only what follows tells whether it is the last one.
        held = [Signal(9, name=f"held{age}") for age in range(CRC_OCTETS + 1)]
        with m.If(~inside):
            for stage in held:
                m.d.sync += stage[8].eq(0)
        following = Cat(gmii.data, Const(1))
        for stage in held:
            with m.If(gmii.enable & inside):
                m.d.sync += stage.eq(following)
            following = stage
        m.d.sync += [
            output.valid.eq(gmii.enable & inside & held[-1][8]),
            output.payload.data.eq(held[-1][:8]),
            output.payload.last.eq(end),
            # Valid at the end: there is more than may be.
            output.payload.error.eq(bad | ~long | gmii.valid | ~crc.match_detected),
        ]
        m.d.comb += output.payload.count.eq(1)
        return m
