"""GMII octets from frames."""

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..crc32 import CRC_OCTETS, crc32_processor
from ..packet import PacketSignature
from ..phy.gmii import GmiiTransmit
from .frame import GAP, MIN_FRAME, PREAMBLE, PREAMBLE_OCTETS, SFD

__all__ = ["Transmitter"]


class Transmitter(wiring.Component):
    """Sends frames with preamble, padding to 64 octets, FCS, and 12 octets of gap behind.

    A frame whose last octet has ``error`` is spoilt: TX_ER through padding and FCS, and a wrong FCS. So is one whose
    next octet is not there in time, which also strobes ``underrun`` (one clock); what comes of it afterwards is
    swallowed. Frames that are there in time follow each other with no more than the gap.

    A frame's first octet is taken 9 octet times after it is offered and is out two later, from registers.
    """

    input: In(PacketSignature(8))
    gmii: Out(GmiiTransmit())
    underrun: Out(1)

    def elaborate(self, platform):
        m = Module()
        frame, gmii = self.input, self.gmii
        # What is sent in the next octet time.
        octet = Signal(8)
        shown = Signal()
        covered = Signal()  # by the FCS
        fcs = Signal()
        error = Signal()

        left = Signal(range(MIN_FRAME - CRC_OCTETS))
        """Octet times of the state, less one."""
        done = Signal()
        taking = Signal()
        spoilt = Signal()
        swallow = Signal()
        m.d.comb += [
            done.eq(left == 0),
            frame.ready.eq(gmii.enable & (taking | swallow)),
        ]
        m.d.sync += self.underrun.eq(gmii.enable & taking & ~frame.valid)
        with m.If(gmii.enable):
            with m.If(frame.valid & frame.payload.last):
                m.d.sync += swallow.eq(0)
            with m.If(~done):
                m.d.sync += left.eq(left - 1)
            m.d.sync += [shown.eq(1), covered.eq(0), fcs.eq(0), error.eq(0)]
            with m.FSM():
                with m.State("IDLE"):
                    m.d.sync += [shown.eq(0), octet.eq(PREAMBLE), left.eq(PREAMBLE_OCTETS - 1), spoilt.eq(0)]
                    with m.If(frame.valid & ~swallow):
                        m.d.sync += shown.eq(1)
                        m.next = "PREAMBLE"
                with m.State("PREAMBLE"):
                    with m.If(done):
                        m.d.sync += [octet.eq(SFD), left.eq(MIN_FRAME - CRC_OCTETS - 1)]
                        m.next = "DATA"
                with m.State("DATA"):
                    m.d.comb += taking.eq(1)
                    m.d.sync += [octet.eq(frame.payload.data), covered.eq(1)]
                    with m.If(~frame.valid):
                        m.d.sync += [spoilt.eq(1), swallow.eq(1), left.eq(CRC_OCTETS - 1)]
                        m.next = "FCS"
                    with m.Elif(frame.payload.last):
                        m.d.sync += spoilt.eq(frame.payload.error)
                        with m.If(done):
                            m.d.sync += left.eq(CRC_OCTETS - 1)
                            m.next = "FCS"
                        with m.Else():
                            m.next = "PAD"
                with m.State("PAD"):
                    m.d.sync += [octet.eq(0), covered.eq(1), error.eq(spoilt)]
                    with m.If(done):
                        m.d.sync += left.eq(CRC_OCTETS - 1)
                        m.next = "FCS"
                with m.State("FCS"):
                    m.d.sync += [covered.eq(1), fcs.eq(1), error.eq(spoilt)]
                    with m.If(done):
                        m.d.sync += left.eq(GAP - 1)
                        m.next = "GAP"
                with m.State("GAP"):
                    m.d.sync += shown.eq(0)
                    with m.If(done):
                        m.next = "IDLE"

        m.submodules.crc = crc = ResetInserter(~covered)(crc32_processor())
        m.d.comb += [
            # Its own lowest octet moves the FCS down by one octet.
            crc.data.eq(Mux(fcs, ~crc.crc[:8], octet)),
            crc.valid.eq(gmii.enable & covered),
        ]
        with m.If(gmii.enable):
            m.d.sync += [
                gmii.valid.eq(shown),
                gmii.error.eq(error),
                gmii.data.eq(Mux(fcs, crc.crc[:8] ^ error.replicate(8), octet)),
            ]
        return m
