"""Reports of stored frames, waiting to be taken."""

from amaranth.hdl import Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..headers import Stored
from ..params import Params

__all__ = ["StoredQueue"]


class StoredQueue(wiring.Component):
    """Queue of one port's :class:`Stored` reports that also says when the port may end another frame.

    Memory's write pipeline never waits, so room for the report is reserved when a frame's last word enters
    the pipeline. Latency: one clock.

    Members
    -------
    enable : In(1)
        ``room`` may be 1 from the next clock on.
    reserve : In(1)
        Take one place; ``room`` was 1 in the clock before.
    room : Out(1)
        There is a place to reserve, and one more for a reservation that is on its way. Registered.
    input : In(stream.Signature(Stored(params), always_ready=True))
    output : Out(stream.Signature(Stored(params)))
    """

    def __init__(self, params: Params, *, depth: int = 8):
        if not isinstance(depth, int) or depth < 2:
            raise ValueError(f"depth must be an integer from 2 up, not {depth!r}")
        self.params = params
        self.depth = depth
        super().__init__(
            {
                "enable": In(1),
                "reserve": In(1),
                "room": Out(1),
                "input": In(stream.Signature(Stored(params), always_ready=True)),
                "output": Out(stream.Signature(Stored(params))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFO(width=Stored(self.params).size, depth=self.depth)
        m.d.comb += [
            queue.w_en.eq(self.input.valid),
            queue.w_data.eq(self.input.payload),
            self.output.valid.eq(queue.r_rdy),
            self.output.payload.eq(queue.r_data),
            queue.r_en.eq(self.output.ready),
        ]
        places = Signal(range(self.depth + 1), init=self.depth)
        left = Signal(range(self.depth + 1))
        m.d.comb += left.eq(places - self.reserve + (self.output.valid & self.output.ready))
        m.d.sync += [places.eq(left), self.room.eq((left > 1) & self.enable)]
        return m
