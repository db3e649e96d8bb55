"""Link fault signalling of 10 Gb/s (IEEE 802.3, 46.3.4): what a link's two ends tell each other about its state."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from .xgmii import COLUMN_LANES, IDLE_LANES, LANES, Control, XgmiiSignature

__all__ = ["LinkFault", "LinkFaultDetector", "LinkFaultReply"]

_ENOUGH = 4
"""Ordered sets of a kind that make it believed."""
_SILENCE = 128 * COLUMN_LANES // LANES
"""Words without any, after which the link is well again."""


class LinkFault(enum.Enum, shape=2):
    """The last octet of the ordered sets, and no fault."""

    NONE = 0
    LOCAL = 1
    """The own PHY does not receive."""
    REMOTE = 2
    """The other end does not."""


class LinkFaultDetector(wiring.Component):
    """The state of the link, from the ordered sets that come where no packet is (figure 46-9).

    A fault is believed when four of its ordered sets have come with no other kind between them and less than 128
    columns from one to the next. It is over when none, of whatever kind, has come for 128 columns, or the other kind
    has come four times. The 128 columns are counted in words of two.

    ``fault`` is a register, three clocks behind ``xgmii``.
    """

    xgmii: In(XgmiiSignature())
    fault: Out(LinkFault)

    def elaborate(self, platform) -> Module:
        m = Module()
        kinds = [Signal(LinkFault, name=f"kind{column}") for column in range(LANES // COLUMN_LANES)]
        for column, kind in enumerate(kinds):
            m.d.sync += kind.eq(self._kind_of(column))

        last = Signal(LinkFault)
        count = Signal(range(_ENOUGH + 1))
        silent = Signal(range(_SILENCE))
        following, total = last, count
        for column, kind in enumerate(kinds):
            there = kind != LinkFault.NONE
            now, sum_ = Signal.like(last, name=f"now{column}"), Signal.like(count, name=f"sum{column}")
            same = kind == following
            m.d.comb += [
                now.eq(Mux(there, kind, following)),
                sum_.eq(Mux(there, Mux(same, Mux(total == _ENOUGH, total, total + 1), 1), total)),
            ]
            following, total = now, sum_
        m.d.sync += [last.eq(following), count.eq(total)]
        with m.If((count == _ENOUGH) | (last == LinkFault.NONE)):
            m.d.sync += self.fault.eq(last)
        with m.If(Cat(kind != LinkFault.NONE for kind in kinds).any()):
            m.d.sync += silent.eq(0)
        with m.Elif(silent == _SILENCE - 1):
            m.d.sync += [count.eq(0), last.eq(LinkFault.NONE)]
        with m.Else():
            m.d.sync += silent.eq(silent + 1)
        return m

    def _kind_of(self, column: int) -> Value:
        """Of the column's ordered set, if it has one that tells of a fault."""
        at = column * COLUMN_LANES
        octets = [self.xgmii.data[at + lane] for lane in range(COLUMN_LANES)]
        control = self.xgmii.control[at : at + COLUMN_LANES]
        told = (
            (control == 1)
            & (octets[0] == Control.SEQUENCE)
            & (Cat(octets[1:3]) == 0)
            & ((octets[3] == LinkFault.LOCAL.value) | (octets[3] == LinkFault.REMOTE.value))
        )
        return Mux(told, octets[3][:2], LinkFault.NONE)


class LinkFaultReply(wiring.Component):
    """Sends what the state of the link wants: packets, remote fault as long as there is a local one, or idle as long
    as there is a remote one.

    Packets go on meanwhile, and are lost; the one that is under way when the fault comes is cut, and what is left of
    one when the fault goes does not come out. ``output`` is one clock behind ``input``, in registers.
    """

    fault: In(LinkFault)
    input: In(XgmiiSignature())
    output: Out(XgmiiSignature())

    def elaborate(self, platform) -> Module:
        m = Module()
        local = Signal()
        blocked = Signal()
        faulty = Signal()
        # Until it ends, a packet's words have no control character in their last lane but /E/.
        last = self.input.data[-1]
        between = self.input.control[-1] & (last != Control.ERROR)
        m.d.sync += [
            local.eq(self.fault == LinkFault.LOCAL),
            faulty.eq(self.fault != LinkFault.NONE),
            blocked.eq(faulty | (blocked & ~between)),
        ]
        remote_fault = [Control.SEQUENCE, 0, 0, LinkFault.REMOTE.value]
        columns = LANES // COLUMN_LANES
        with m.If(~blocked & ~faulty):
            m.d.sync += [self.output.data.eq(self.input.data), self.output.control.eq(self.input.control)]
        with m.Elif(local):
            m.d.sync += [
                Value.cast(self.output.data).eq(int.from_bytes(bytes(remote_fault * columns), "little")),
                self.output.control.eq(sum(1 << column * COLUMN_LANES for column in range(columns))),
            ]
        with m.Else():
            m.d.sync += [
                Value.cast(self.output.data).eq(int.from_bytes(bytes(IDLE_LANES), "little")),
                self.output.control.eq((1 << LANES) - 1),
            ]
        return m
