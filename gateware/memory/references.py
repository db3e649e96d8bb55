"""Reference counts of stored frames."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arbiter import StreamArbiter
from ..tables.memory import BlockRAM
from .ports import NULL_CELL

__all__ = ["References"]


class References(wiring.Component):
    """Count the references of each frame and report frames that have none left.

    A commit sets the count, each release takes one. One release and, unless both need the same port of the
    count memory, one commit per clock; a commit waits for four clocks at most. It must have been accepted
    before the first release of its frame is offered. A frame without cells (``NULL_CELL``) may be committed
    with 0 references.

    Members
    -------
    commit : In(stream.Signature({head, references}))
        ``references`` from 0 to ``ports``.
    release : In(stream.Signature(range(cells))).array(ports)
        Head of a frame of which one reference is done.
    done : Out(stream.Signature(range(cells), always_ready=True))
        Head of a frame that has no reference left. Registered.
    """

    def __init__(self, cells: int, ports: int):
        self.cells = cells
        self.ports = ports
        super().__init__(
            {
                "commit": In(
                    stream.Signature(
                        data.StructLayout({"head": range(cells), "references": range(ports + 1)})
                    )
                ),
                "release": In(stream.Signature(range(cells))).array(ports),
                "done": Out(stream.Signature(range(cells), always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Stored is the number of releases that will follow the next one.
        count_shape = range(max(self.ports, 2))
        m.submodules.counts = counts = BlockRAM(count_shape, self.cells)
        m.submodules.arbiter = arbiter = StreamArbiter(range(self.cells), self.ports)
        for release, channel in zip(self.release, arbiter.inputs, strict=True):
            wiring.connect(m, wiring.flipped(release), channel)

        # Stages: address, RAM, decision, action. A release reads too early to see what the three releases
        # before it write; if one of them is of the same frame, its result counts and not the memory's.
        flight = data.StructLayout({"valid": 1, "head": range(self.cells)})
        read = Signal(flight)
        decide = Signal(flight)
        act = Signal(flight)
        same = [Signal(3, name=f"same{stage}") for stage in range(2)]
        results = [Signal(count_shape, name=f"result{age}") for age in range(3)]
        remaining = Signal(count_shape)
        final = Signal()
        waited = Signal()
        entering = arbiter.output
        m.d.comb += [
            entering.ready.eq(~waited),
            counts.r_addr.eq(entering.payload.data),
        ]
        with m.If(same[1][0]):
            m.d.comb += remaining.eq(results[0])
        with m.Elif(same[1][1]):
            m.d.comb += remaining.eq(results[1])
        with m.Elif(same[1][2]):
            m.d.comb += remaining.eq(results[2])
        with m.Else():
            m.d.comb += remaining.eq(counts.r_data)
        m.d.sync += [
            read.valid.eq(entering.valid & entering.ready),
            read.head.eq(entering.payload.data),
            same[0].eq(
                Cat(stage.valid & (stage.head == entering.payload.data) for stage in (read, decide, act))
            ),
            decide.eq(read),
            same[1].eq(same[0]),
            act.eq(decide),
            final.eq(remaining == 0),
            results[0].eq(remaining - 1),
            results[1].eq(results[0]),
            results[2].eq(results[1]),
        ]

        # The last release of a frame needs no write, and a commit without references nothing but the report.
        discard = Signal()
        releases = Signal()
        counted = Signal()
        head = Signal(range(self.cells))
        m.d.comb += [
            discard.eq(self.commit.payload.references == 0),
            releases.eq(act.valid & final),
            counted.eq(act.valid & ~final),
            self.commit.ready.eq(Mux(discard, ~releases, ~counted)),
            counts.w_en.eq(counted | (self.commit.valid & ~discard)),
            counts.w_addr.eq(Mux(counted, act.head, self.commit.payload.head)),
            counts.w_data.eq(Mux(counted, results[0], self.commit.payload.references - 1)),
            head.eq(Mux(releases, act.head, self.commit.payload.head)),
        ]
        # A bubble in the stream of releases makes room for a commit that had to wait.
        m.d.sync += waited.eq(self.commit.valid & ~self.commit.ready)
        m.d.sync += [
            self.done.valid.eq((releases | self.commit.valid & discard) & (head != NULL_CELL)),
            self.done.payload.eq(head),
        ]
        return m
