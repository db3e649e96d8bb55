"""The MAC table: (tenant, MAC) to its place, static or learned."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..params import Params
from .bus import TableBus
from .hash import SEED_BITS
from .mac_engine import MacEngine
from .mac_entry import MacEntry, MacEvent, MacLearn, MacRequest
from .mac_lookup import MacLookup, MacLookupSignature
from .mac_queue import LearnQueue
from .mac_steps import BURST

__all__ = ["MacRequest", "MacTable"]


class MacTable(wiring.Component):
    """``params.macs`` slots in four ways, kept by an engine in gateware.

    ``input``    ``valid``, ``key`` (:class:`MacKey`): one key per clock, never waits.
    ``output``   ``LATENCY`` clocks later: ``valid``, ``hit``, ``entry`` (:class:`MacEntry`, 0 without a hit).
    ``learn``    sources to learn; ``ready`` is low while the queue is full, the caller may then drop them:
                 the next frame of that source brings another chance.
    ``bus``      the host's operations, see :class:`MacEngine`. The engine works in clocks without a key,
                 and stands still as long as there are none.
    ``seed``     of the hash. To change it, clear the table (``MacOp.CLEAR``) and change it before the first
                 insert.
    ``second``, ``age_seconds``, ``limit``, ``event``, ``refused``, ``ready``, ``busy``
                 see :class:`MacEngine`.

    Nothing hits before ``ready``. An entry that is inserted, changed or removed is seen whole, before or
    after; an entry that is not concerned is found at every instant, although it may move between ways.
    """

    LATENCY = MacLookup.LATENCY

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "input": In(MacLookupSignature(params)),
                "output": Out(wiring.Signature({"valid": Out(1), "hit": Out(1), "entry": Out(MacEntry)})),
                "learn": In(stream.Signature(MacLearn(params))),
                "bus": In(TableBus(MacRequest, BURST)),
                "second": In(1),
                "age_seconds": In(16),
                "limit": In(16, init=-1),
                "event": Out(MacEvent(params)),
                "refused": Out(1),
                "ready": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.lookup = lookup = MacLookup(self.params)
        m.submodules.engine = engine = MacEngine(self.params)
        m.submodules.queue = queue = LearnQueue(self.params)
        connect(m, flipped(self.input), lookup.input)
        connect(m, lookup.output, flipped(self.output))
        connect(m, flipped(self.learn), queue.input)
        connect(m, queue.output, engine.learn)
        connect(m, flipped(self.bus), engine.bus)
        connect(m, engine.table, lookup.engine)
        m.d.comb += [
            lookup.seed.eq(self.seed),
            lookup.enable.eq(engine.ready),
            engine.second.eq(self.second),
            engine.age_seconds.eq(self.age_seconds),
            engine.limit.eq(self.limit),
            self.event.eq(engine.event),
            self.refused.eq(engine.refused),
            self.ready.eq(engine.ready),
            self.busy.eq(engine.busy),
        ]
        return m
