"""Fair choice among several requesters."""

from collections.abc import Iterable

from amaranth.hdl import Array, Cat, Module, ShapeLike, Signal, Value, ValueLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Arbitrated", "RoundRobin", "StreamArbiter", "one_hot_mux"]


def one_hot_mux(select: Value, values: Iterable[ValueLike]) -> Value:
    """The one of ``values`` whose bit of ``select`` is 1; 0 if none is."""
    result = Value.cast(0)
    for bit, value in zip(select, values, strict=True):
        value = Value.cast(value)
        result |= value & bit.replicate(len(value))
    return result


class RoundRobin(wiring.Component):
    """Combinational round-robin choice of one of ``count`` requesters.

    The requester behind the last one that was served has the highest priority, so that a requester that keeps
    asking is served after at most ``count - 1`` others.

    Members
    -------
    requests : In(count)
        One bit per requester.
    accept : In(1)
        The present choice, if any, is served in this clock; the next one is chosen in the next clock.
    valid : Out(1)
        Some requester asks.
    grant : Out(count)
        One-hot choice, 0 if nobody asks. Stays while the requests stay and ``accept`` is 0.
    index : Out(range(count))
        Number of the chosen requester, 0 if nobody asks.
    """

    def __init__(self, count: int):
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"count must be a positive integer, not {count!r}")
        self.count = count
        super().__init__(
            {
                "requests": In(count),
                "accept": In(1),
                "valid": Out(1),
                "grant": Out(count),
                "index": Out(range(count)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.valid.eq(self.requests.any())
        # One priority order per predecessor: one level of wide multiplexers for the usual handful of ports.
        last = Signal(range(self.count), init=self.count - 1)
        with m.Switch(last):
            for previous in range(self.count):
                with m.Case(previous):
                    for rank in reversed(range(self.count)):
                        number = (previous + 1 + rank) % self.count
                        with m.If(self.requests[number]):
                            m.d.comb += [self.grant.eq(1 << number), self.index.eq(number)]
        with m.If(self.valid & self.accept):
            m.d.sync += last.eq(self.index)
        return m


class Arbitrated(data.StructLayout):
    """Payload of an arbitrated stream: what came, and from which input."""

    def __init__(self, shape: ShapeLike, count: int):
        super().__init__({"data": shape, "source": range(count)})


class StreamArbiter(wiring.Component):
    """Merge ``count`` streams into one, transfer by transfer, in round-robin order.

    One transfer per clock in all. An input that always has something gets every
    ``count``-th transfer at least.

    With ``registered`` the output comes from registers (latency one clock, still one transfer per clock, no
    combinational path from inputs to ``output.valid`` and ``payload``). Without, latency is zero; a transfer
    that the output has refused stays chosen, so that the payload is stable.

    Members
    -------
    inputs : In(stream.Signature(shape)).array(count)
    output : Out(stream.Signature(Arbitrated(shape, count)))
    """

    def __init__(self, shape: ShapeLike, count: int, *, registered: bool = True):
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"count must be a positive integer, not {count!r}")
        self.shape = shape
        self.count = count
        self.registered = registered
        super().__init__(
            {
                "inputs": In(stream.Signature(shape)).array(count),
                "output": Out(stream.Signature(Arbitrated(shape, count))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.choice = choice = RoundRobin(self.count)
        requests = Cat(channel.valid for channel in self.inputs)
        chosen = Array(channel.payload for channel in self.inputs)[choice.index]
        ready = Signal()

        for number, channel in enumerate(self.inputs):
            m.d.comb += channel.ready.eq(choice.grant[number] & ready)
        m.d.comb += choice.accept.eq(ready)

        if self.registered:
            m.d.comb += [
                choice.requests.eq(requests),
                ready.eq(~self.output.valid | self.output.ready),
            ]
            with m.If(ready):
                m.d.sync += [
                    self.output.valid.eq(choice.valid),
                    self.output.payload.data.eq(chosen),
                    self.output.payload.source.eq(choice.index),
                ]
        else:
            # A refused transfer must not give way to a requester with higher priority that comes later.
            held = Signal(self.count)
            m.d.comb += [
                choice.requests.eq(requests & (held | ~held.any().replicate(self.count))),
                ready.eq(self.output.ready),
                self.output.valid.eq(choice.valid),
                self.output.payload.data.eq(chosen),
                self.output.payload.source.eq(choice.index),
            ]
            m.d.sync += held.eq((choice.valid & ~ready).replicate(self.count) & choice.grant)
        return m
