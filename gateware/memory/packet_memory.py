"""Packet memory of the whole core."""

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..headers import Stored
from ..packet import PacketSignature
from ..params import Params
from ..tables.memory import BlockRAM
from .free_list import FreeList
from .freer import Freer
from .intake import Intake
from .links import LinkMemory
from .ports import Commit, Patch, ReadPort
from .reader import Reader
from .references import References
from .stored_queue import StoredQueue
from .writer import Writer

__all__ = ["PacketMemory"]


class PacketMemory(wiring.Component):
    """Frames of all ports in linked cells, each written once and freed with its last reference.

    Writes one word and reads one word per clock, each shared by the ports word by word in round-robin order; the host
    reads when no port does.
    Cell 0 is never used, and each port keeps one cell in reserve. A frame for which no cell is left is
    reported with ``no_buffer``; its remaining words are taken and forgotten. Octet count and error mark of
    the words are not kept.

    Members
    -------
    write : In(PacketSignature(width)).array(ports)
        Frames, interleaved at will. A port waits while eight of its ``stored`` reports have not been taken.
    stored : Out(stream.Signature(Stored(params))).array(ports)
        One report per frame, in order, two clocks after its last word was accepted if none waits before it;
        bad frames too. ``head`` is 0 if the frame has not a single cell.
    commit : In(stream.Signature(Commit(params)))
        Sets the number of references of a stored frame; 0 frees it. Exactly once per stored frame, before its
        first ``release``. Waits for four clocks at most.
    release : In(stream.Signature(range(cells))).array(readers)
        One reference of the frame with this head is done, all responses to its reads have arrived.
    read : In(ReadPort(params)).array(readers)
    patch : In(stream.Signature(Patch(params))), if the core suppresses requests
        Changes a word, in a clock without a word of a frame that comes.
    used : Out(range(cells))
        Cells that hold words of frames, and freed ones that have not come back yet; 0 when nothing is inside.
    """

    def __init__(self, params: Params):
        if not isinstance(params, Params):
            raise TypeError(f"params must be Params, not {params!r}")
        self.params = params
        patch = {"patch": In(stream.Signature(Patch(params)))} if params.suppresses else {}
        super().__init__(
            {
                "write": In(PacketSignature(params.width)).array(params.ports),
                "stored": Out(stream.Signature(Stored(params))).array(params.ports),
                "commit": In(stream.Signature(Commit(params))),
                "release": In(stream.Signature(params.cell_bits)).array(params.readers),
                "read": In(ReadPort(params)).array(params.readers),
                "used": Out(range(params.cells)),
            }
            | patch
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.intake = intake = Intake(params)
        m.submodules.writer = writer = Writer(params)
        m.submodules.ram = ram = BlockRAM(params.width, params.cells * params.cell_words)
        m.submodules.links = links = LinkMemory(params.cells)
        m.submodules.reader = reader = Reader(params)
        m.submodules.references = references = References(params.cells, params.readers)
        m.submodules.freer = freer = Freer(params.cells)
        m.submodules.free_list = free_list = FreeList(params.cells)

        connect(m, intake.words, writer.words)
        connect(m, free_list.output, writer.free)
        connect(m, writer.links, links.write)
        connect(m, reader.links, links.read[0])
        connect(m, freer.links, links.read[1])
        connect(m, flipped(self.commit), references.commit)
        connect(m, references.done, freer.frames)
        connect(m, freer.freed, free_list.freed)
        for number in range(params.ports):
            m.submodules[f"stored{number}"] = queue = StoredQueue(params)
            connect(m, flipped(self.write[number]), intake.write[number])
            connect(m, writer.stored[number], queue.input)
            connect(m, queue.output, flipped(self.stored[number]))
            m.d.comb += [
                intake.room[number].eq(queue.room),
                queue.reserve.eq(intake.ends[number]),
                queue.enable.eq(writer.primed),
            ]
        for number in range(params.readers):
            connect(m, flipped(self.release[number]), references.release[number])
            connect(m, flipped(self.read[number]), reader.read[number])
        m.d.comb += [
            ram.w_en.eq(writer.ram.en),
            ram.w_addr.eq(writer.ram.addr),
            ram.w_data.eq(writer.ram.data),
            ram.r_addr.eq(reader.ram.addr),
            reader.ram.data.eq(ram.r_data),
        ]
        if params.suppresses:
            change = self.patch.payload
            m.d.comb += self.patch.ready.eq(~writer.ram.en)
            with m.If(~writer.ram.en):
                m.d.comb += [
                    ram.w_en.eq(self.patch.valid),
                    ram.w_addr.eq(Cat(change.word.number, change.cell)),
                    ram.w_data.eq(change.word.data),
                ]

        m.d.sync += self.used.eq(self.used + writer.started - freer.freed.valid)
        return m
