"""Where frames change on their way out."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer import Buffer
from ..memory.ports import ReadPort
from ..packet import PacketSignature
from ..params import Params
from ..tables.bus import WordBus
from .cutter import Cut, Cutter
from .entry import Job
from .fifo import CreditFifo
from .outer import OuterTable
from .packer import Packer
from .program import Encapsulating, program_type
from .reader import Reader
from .releases import Released, Releases
from .stepper import Plan, Stepper, make_plan
from .tables import OuterHeader

__all__ = ["Editor"]


class Editor(wiring.Component):
    """Turns jobs into frames, in order.

    A job is accepted when reading for the one before is done; the program runs behind, over what has been
    read. The first word is out ``READ_LATENCY`` + 2 + ``Packer.stages`` clocks after a job of an idle
    port was accepted, if memory grants at once. A reference is released
    when the last octet of the stored frame has been taken from the reader, thus after the response to the
    last read.

    ``outer``, ``mac``, ``address`` exist on fabric ports only.
    """

    def __init__(self, params: Params, port: int):
        self.params = params
        self.port = port
        self.fabric = params.is_fabric(port)
        members = {
            "job": In(stream.Signature(Job(params, port))),
            "read": Out(ReadPort(params)),
            "release": Out(stream.Signature(Released(params))),
            "output": Out(PacketSignature(params.width)),
        }
        if self.fabric:
            members |= {"outer": In(WordBus(OuterHeader, params.teps)), "mac": In(48), "address": In(128)}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        params = self.params
        job = self.job.payload
        m.submodules.reader = reader = Reader(params)
        m.submodules.stepper = stepper = Stepper(params, self.port)
        m.submodules.cutter = cutter = Cutter(params, self.port)
        m.submodules.packer = packer = Packer(params.width)
        wiring.connect(m, reader.read, wiring.flipped(self.read))
        # So that what is at hand of frame and outer header does not reach back into the stepper.
        m.submodules.cuts = cuts = Buffer(Cut(params))
        wiring.connect(m, stepper.order, cutter.order)
        wiring.connect(m, cutter.cut, cuts.input)
        wiring.connect(m, packer.output, wiring.flipped(self.output))

        # A job goes to the reader, to the outer headers and to the program at the same time.
        plan = Signal(Plan(params, self.port))
        make_plan(m, params, self.port, plan, job)
        m.submodules.plans = plans = CreditFifo(plan.shape())
        # All three stay ready until they get a job, so that a registered ready is true
        # one clock late at worst.
        m.submodules.releases = releases = Releases(params)
        ready = Signal()
        accept = Signal()
        all_ready = reader.range.ready & plans.has_room & releases.job.ready
        if self.fabric:
            m.submodules.outer = outer = OuterTable(params)
            wiring.connect(m, wiring.flipped(self.outer), outer.bus)
            all_ready &= outer.job.ready
            encapsulating = data.View(Encapsulating, job.program)
            m.d.comb += [
                cutter.mac.eq(self.mac),
                cutter.address.eq(self.address),
                releases.job.payload.reference.keep.eq(job.keep),
                outer.job.valid.eq(accept & encapsulating.encapsulates),
                outer.job.payload.program.eq(encapsulating),
                *(
                    outer.job.payload[name].eq(job[name])
                    for name in outer.job.payload.shape().members
                    if name != "program"
                ),
            ]
            outer_words = outer.words
        else:
            outer_words = None
        m.d.sync += ready.eq(all_ready & ~accept)
        m.d.comb += [
            self.job.ready.eq(ready),
            accept.eq(self.job.valid & ready),
            reader.range.valid.eq(accept & (job.program != program_type(self.fabric).NOTHING)),
            *(reader.range.payload[name].eq(job[name]) for name in reader.range.payload.shape().members),
            releases.job.valid.eq(accept),
            releases.job.payload.release.eq(job.release),
            releases.job.payload.reference.head.eq(job.head),
            plans.reserve.eq(accept),
            plans.write.eq(accept),
            plans.data.eq(plan),
        ]
        wiring.connect(m, plans.output, stepper.plan)
        wiring.connect(m, releases.release, wiring.flipped(self.release))
        self._execute(m, cuts.output, reader.words, outer_words, packer.input, releases)
        return m

    def _execute(self, m: Module, stream_of_cuts, words, outer_words, chunks, releases):
        """Take the octets of each cut from its source; release what is done with."""
        cut = stream_of_cuts.payload
        chunk = chunks.payload
        possible = stream_of_cuts.valid & (~cut.memory | words.valid)
        m.d.comb += chunk.data.eq(Mux(cut.memory, words.payload, cut.literal))
        if outer_words is not None:
            possible &= ~cut.outer | outer_words.valid
            with m.If(cut.outer):
                m.d.comb += chunk.data.eq(outer_words.payload)
        go = Signal()
        m.d.comb += [
            go.eq(possible & (chunks.ready | ~cut.emit)),
            stream_of_cuts.ready.eq(go),
            chunks.valid.eq(possible & cut.emit),
            chunk.place.eq(cut.place),
            chunk.rotate.eq(cut.rotate),
            chunk.count.eq(cut.count),
            chunk.last.eq(cut.done),
            words.ready.eq(go & cut.pop),
            releases.done.eq(go & cut.done),
        ]
        if outer_words is not None:
            m.d.comb += outer_words.ready.eq(go & cut.outer)
