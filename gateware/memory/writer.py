"""Words to cells."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arbiter import Arbitrated
from ..headers import Stored
from ..params import Params
from .lane import Lane
from .links import LinkWrite
from .ports import NULL_CELL

__all__ = ["StoredWord", "Writer"]


class StoredWord(data.StructLayout):
    """What packet memory keeps of a word, and whether its frame ends with it."""

    def __init__(self, params: Params):
        super().__init__({"data": params.width, "last": 1})


class Writer(wiring.Component):
    """Spread the frames of all ports over cells.

    One word per clock. Each port holds a cell in reserve, and takes the next one in the clock in which it
    fills a cell or ends a frame; the link of a cell is thus known with its last word, and each word writes
    one link at most. A port that gets no cell keeps the words of its frame out of memory to the frame's end,
    and waits for a cell for its next frame.

    ``ram`` and ``links`` come one clock after the word, ``stored`` in the same clock.

    Members
    -------
    words : In(stream.Signature(Arbitrated(StoredWord(params), ports), always_ready=True))
    primed : Out(1)
        Each port has its reserve, words may come. Registered; stays after reset is over.
    free : In(stream.Signature(range(cells)))
        A cell to take.
    ram : Out({en, addr, data})
        Write port of the data memory; address is {cell, word}.
    links : Out(LinkWrite(cells))
    stored : Out(stream.Signature(Stored(params), always_ready=True)).array(ports)
        Last word of a frame.
    started : Out(1)
        A cell has got its first word.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "words": In(
                    stream.Signature(Arbitrated(StoredWord(params), params.ports), always_ready=True)
                ),
                "primed": Out(1),
                "free": In(stream.Signature(range(params.cells))),
                "ram": Out(
                    wiring.Signature(
                        {
                            "en": Out(1),
                            "addr": Out(range(params.cells * params.cell_words)),
                            "data": Out(params.width),
                        }
                    )
                ),
                "links": Out(LinkWrite(params.cells)),
                "stored": Out(stream.Signature(Stored(params), always_ready=True)).array(params.ports),
                "started": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        ports = range(self.params.ports)
        word = self.words.payload.data
        source = self.words.payload.source
        lanes = [Lane(self.params) for _ in ports]
        takes = Signal()
        lacks = Cat(lane.lacks for lane in lanes)
        for number, lane in enumerate(lanes):
            m.submodules[f"lane{number}"] = lane
            m.d.comb += [
                lane.word.valid.eq(self.words.valid & (source == number)),
                lane.word.last.eq(word.last),
                lane.free.valid.eq(self.free.valid),
                lane.free.cell.eq(self.free.payload),
            ]

        # Lanes without a cell, after reset and after memory was full, are looked for in turn. A word that
        # needs one has the first call; then the other waits.
        turn = Signal(self.params.ports, init=1)
        wanted = Signal()
        m.d.comb += [
            takes.eq(Cat(lane.closes for lane in lanes).any()),
            wanted.eq((turn & lacks).any()),
            self.free.ready.eq(takes | wanted),
        ]
        for number, lane in enumerate(lanes):
            m.d.comb += lane.refill.eq(turn[number] & lane.lacks & self.free.valid & ~takes)
        with m.If(~wanted | (self.free.valid & ~takes)):
            m.d.sync += turn.eq(turn.rotate_left(1))
        m.d.sync += self.primed.eq(self.primed | ~lacks.any())

        writes = Signal()
        stored = Signal(Stored(self.params))
        m.d.comb += stored.no_buffer.eq(~writes)
        with m.Switch(source):
            for number, lane in enumerate(lanes):
                with m.Case(number):
                    m.d.comb += [
                        writes.eq(lane.writes),
                        stored.head.eq(lane.head),
                        self.stored[number].valid.eq(self.words.valid & word.last),
                    ]
                    m.d.sync += [
                        self.ram.addr.eq(Cat(lane.offset, lane.cell)),
                        self.links.cell.eq(lane.cell),
                        self.started.eq(self.words.valid & lane.writes & (lane.offset == 0)),
                    ]
        for report in self.stored:
            m.d.comb += report.payload.eq(stored)

        m.d.sync += [
            self.ram.en.eq(self.words.valid & writes),
            self.ram.data.eq(word.data),
            self.links.en.eq(takes),
            self.links.next_cell.eq(Mux(self.free.valid & ~word.last, self.free.payload, NULL_CELL)),
        ]
        return m
