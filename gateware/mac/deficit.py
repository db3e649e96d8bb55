"""Where the next packet may begin, if that is in the first lane of a column only."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

__all__ = ["DeficitIdleCount"]


class DeficitIdleCount(Component):
    """Gaps of 12 octets on average, /T/ included (IEEE 802.3, 46.3.1.4, with deficit idle count).

    A gap begins wherever its frame ended, and the next packet begins in lane 0 or 4. So up to three octets of
    the gap are left out, as long as what was left out so far and not added again, the deficit, is no more
    than three; else up to three are added. Frames that follow each other at once have gaps of 9 to 15 octets.

    Clocks here are words of a packet that began in lane 0 of its first word. One that begins in lane 4 (``late``)
    travels half a word later; whoever does that must see to it that words behind a packet count as the next one's.

    ``ends``    the word has the frame's last octets, ``count`` of them (0 to 8); FCS and /T/ follow at once. If
                there are 4 or more, the next word is ``tail`` and takes the rest of the FCS, and /T/.
    ``ready``   a packet may begin with this word, and ``late`` or not. From registers.
    ``idles``   it is ``ready``, and none begins.
    ``deficit`` octets that were left out and not added again.
    """

    ends: In(1)
    count: In(range(9))
    ready: Out(1)
    late: Out(1)
    idles: In(1)
    deficit: Out(range(4))

    def elaborate(self, platform):
        m = Module()
        total = Signal(range(7))
        wait = Signal(range(4))
        tail = self.count >= 4
        columns = Signal(range(4))
        """From the column of /T/ to that of the next packet, less three; and one more in a packet that is late."""
        m.d.comb += [
            self.ready.eq(wait == 0),
            total.eq(self.deficit + self.count[:2]),
            columns.eq(self.late + ~self.count[2] + total[2]),
        ]
        with m.If(self.ends):
            # Either the gap is 12 octets less those of the last column, or a column more than that.
            m.d.sync += [
                self.deficit.eq(total[:2]),
                self.late.eq(~columns[0]),
                wait.eq(Mux(columns == 3, 2, columns != 0) + tail),
            ]
        with m.Elif(~self.ready):
            m.d.sync += wait.eq(wait - 1)
        with m.Elif(self.idles):
            # The gap is a column longer than it had to be, at least: nothing is owed any more.
            m.d.sync += self.deficit.eq(0)
        return m
