"""What the proofs about replica lists share."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from opentep.gateware.params import Params

__all__ = ["FIRST", "NEXT", "PARAMS", "offer_stays", "shows_when_gone", "since", "stays"]

PARAMS = Params(tenants=16, macs=64, teps=16, lists=16, members=16, packet_bytes=2048)
FIRST, NEXT = 6, 3
"""Clocks to the first member of a list, and from one to the next, at the least."""


def since(m: Module, event: Value, limit: int) -> Signal:
    """Clocks since ``event``, ``limit`` if it was so long ago or never."""
    clocks = Signal(range(limit + 1), init=limit)
    m.d.sync += clocks.eq(Mux(event, 1, Mux(clocks == limit, limit, clocks + 1)))
    return clocks


def stays(m: Module, statement, value: Value, where: Value) -> None:
    """Assume or assert that ``value`` is what it was in the clock before if ``where`` was high then."""
    held, before = Signal(), Signal.like(value, init=0)
    m.d.sync += [held.eq(where), before.eq(value)]
    m.d.comb += statement(~held | (value == before))


def offer_stays(m: Module, statement, channel) -> None:
    """The stream rule: what is offered stays until it is taken."""
    now = Cat(channel.valid, Value.cast(channel.payload))
    stays(m, statement, now, channel.valid & ~channel.ready)


def shows_when_gone(m: Module, statement, channel, walking: Value) -> None:
    """The last member of a list still shows when it is gone, until another walk begins."""
    payload, first = Signal.like(channel.payload), Signal(init=1)
    m.d.sync += [payload.eq(channel.payload), first.eq(0)]
    same = Value.cast(channel.payload) == Value.cast(payload)
    m.d.comb += statement(first | same | walking)
