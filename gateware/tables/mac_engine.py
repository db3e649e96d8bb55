"""The engine that keeps the MAC table: inserts with cuckoo moves, learning, ageing, and what the host asks
for."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..params import Params
from .bus import TableBus
from .mac_ageing import AgeingClock
from .mac_counts import LearnedCounts
from .mac_entry import AGE_FRESH, WAYS, MacChange, MacEvent, MacLearn, MacOp, MacRequest, MacSlot, MacStatus
from .mac_lookup import MacPass
from .mac_steps import BURST, EVICT_STEPS, MAX_STEPS, Step, walk_way

__all__ = ["MacEngine"]


class MacEngine(wiring.Component):
    """Runs one operation at a time, of the host, of learning, or of ageing, in idle clocks of the lookup.

    ``bus``       a write is an operation (:class:`MacRequest`) and done when it is finished; a read returns
                  the outcome of the last one. The index does not matter.
    ``learn``     sources to be learned, from a queue; ``payload`` must stay until it is taken.
    ``second``    strobe per second, the unit of ``age_seconds`` (0: entries do not age).
    ``limit``     of learned entries per tenant; those that there are stay when it becomes less.
    ``event``     :class:`MacEvent`: what became of a learned entry, a clock after it was written.
    ``refused``   strobe: an INSERT or LEARN found no room, or the tenant of the latter has learned ``limit`` entries.
    ``ready``     the table has been cleared, some ``2.5 * macs`` clocks after reset; operations wait for it.
    ``busy``      an operation or a scan is going on.

    A new entry goes to a free slot of its four. If there is none, a walk from occupant to occupant looks for
    one that has a free slot. That is copied there and then erased, and all begins again: the next walk takes
    the same ways and ends earlier. A lookup thus finds every other key at every instant, at times twice, equal;
    and nothing is changed before a place is found. This takes little but time: on average some 600 passes
    through the table, of 8 clocks, for each entry beyond 90 %.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "bus": In(TableBus(MacRequest, BURST)),
                "learn": In(stream.Signature(MacLearn(params))),
                "second": In(1),
                "age_seconds": In(16),
                "limit": In(16, init=-1),
                "event": Out(MacEvent(params)),
                "refused": Out(1),
                "ready": Out(1),
                "busy": Out(1),
                "table": Out(MacPass(params)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        params, bus, table = self.params, self.bus, self.table
        key, entry, value = table.key, table.entry, table.value
        m.submodules.ageing = ageing = AgeingClock()
        m.submodules.counts = counts = LearnedCounts(params)

        wanted = Signal()
        from_host = Signal()
        learn_turn = Signal()
        op = Signal(MacOp)
        ages = Signal()  # instead of an operation
        step = Signal(Step, init=Step.CLEAR)
        status = Signal(MacStatus)
        change = Signal(MacChange)  # to tell once the entry is written
        replaces = Signal()  # a learned entry becomes a static one, or none
        refused_count = Signal(16)
        response = Signal(MacRequest)
        scan = Signal(MacSlot(params), init={"bucket": -1, "way": -1}, reset_less=True)

        # What comes into the hand: what was read, which is 0 in the step LOAD, or what the host or learning
        # brings. The learned one is 0 in all other steps, so that a bit takes one four-input table.
        load_host = Signal()
        load_learned = Signal()
        learned = Signal(MacLearn(params), reset_less=True)
        m.d.comb += load_host.eq((step == Step.LOAD) & from_host)
        m.d.comb += load_learned.eq((step == Step.LOAD) & ~from_host)
        with m.If(load_learned):
            m.d.sync += learned.eq(self.learn.payload)
        with m.Else():
            m.d.sync += Value.cast(learned).eq(0)
        request = bus.w_data
        host_key = Cat(request.mac, request.tenant)[: len(key)]
        learned_key = Cat(learned.mac, learned.tenant)
        with m.If(table.key_read & table.pick):
            m.d.sync += key.eq(Mux(load_host, host_key, table.word) | learned_key)
        with m.If(table.done & (table.pick | (op == MacOp.FIND))):
            loads = step == Step.LOAD
            m.d.sync += [
                entry.static.eq(value.static | (loads & (op == MacOp.INSERT))),
                entry.age.eq(value.age | Mux(loads, AGE_FRESH, 0)),
            ]
            for name in ("kind", "port", "id"):
                old, host, new = (
                    Value.cast(source[name]) for source in (value, request.entry, learned.entry)
                )
                m.d.sync += Value.cast(entry[name]).eq(Mux(load_host, host, old) | new)

        # What a pass found, one clock behind ``done``.
        hit = Signal()
        full = Signal()
        empty = Signal()
        same = Signal(3)
        same_place = same.all()
        found_static = Signal()
        way = Signal(WAYS)  # of the key, or free
        free = Signal(WAYS)
        walks = Signal()
        m.d.comb += free.eq(~table.used & (table.used + 1))
        m.d.sync += [
            hit.eq(table.matches.any()),
            full.eq(table.used.all()),
            empty.eq(~(table.used & table.ways).any()),
            same.eq(
                Cat(
                    value.id[:8] == entry.id[:8],
                    value.id[8:] == entry.id[8:],
                    Value.cast(value)[3:9] == Value.cast(entry)[3:9],
                )
            ),
            found_static.eq(value.static),
            way.eq(Mux(table.matches.any() & ~walks, table.matches, free)),
        ]

        # The walk.
        step_on = Signal()
        restart = Signal()
        steps = Signal(range(MAX_STEPS))
        turn = Signal(WAYS)
        m.d.comb += turn.eq(1 << walk_way(steps)[: exact_log2(WAYS)])
        with m.If(restart):
            m.d.sync += [steps.eq(0), walks.eq(0)]
        with m.Elif(step_on):
            m.d.sync += [steps.eq(steps + 1), walks.eq(1)]

        at_limit = Signal()
        m.d.sync += at_limit.eq(counts.reached & (op == MacOp.LEARN))
        m.d.comb += [counts.tenant.eq(key[48:]), counts.limit.eq(self.limit), counts.clear.eq(~self.ready)]

        refuses = Signal()
        forgets = Signal()
        many_refused = Signal()  # there is time to find that out: no operation takes a single clock
        m.d.sync += many_refused.eq(refused_count.all())
        with m.If(forgets):
            m.d.sync += refused_count.eq(0)
        with m.Elif(refuses & from_host & (op == MacOp.INSERT) & ~many_refused):
            m.d.sync += refused_count.eq(refused_count + 1)

        def go(why: Step, ways: Value | int | None = None, *, pick: bool = False, store: bool = False):
            """Pass through the table."""
            m.d.sync += [step.eq(why), table.pick.eq(pick), table.store.eq(store)]
            if ways is not None:
                m.d.sync += table.ways.eq(ways)
            m.next = "PASS"

        def fail(outcome: MacStatus):
            m.d.sync += status.eq(outcome)
            m.next = "FINISH"

        slot = Signal(MacSlot(params))
        scanned = Signal()
        m.d.sync += scanned.eq(Value.cast(scan).all())
        scan_start = Signal()
        scan_next = Signal()
        with m.If(scan_start):
            m.d.sync += Value.cast(scan).eq(-1)
        with m.Elif(scan_next):
            m.d.sync += Value.cast(scan).eq(Value.cast(scan) + 1)
        m.d.comb += [
            slot.eq(Mux(ages | (op == MacOp.CLEAR), scan, request.index)),
            table.bucket.eq(slot.bucket),
            ageing.second.eq(self.second),
            ageing.age_seconds.eq(self.age_seconds),
            Value.cast(bus.r_data).eq(Value.cast(response)),
        ]
        m.d.comb += [response.refused.eq(refused_count), self.refused.eq(refuses)]
        # What is in hand stays there for clocks after the entry was written.
        m.d.sync += self.event.change.eq(MacChange.NONE)
        m.d.comb += [
            self.event.mac.eq(key[:48]),
            self.event.tenant.eq(key[48:]),
            self.event.entry.eq(entry),
        ]
        # What FINISH does takes a clock more, in which the next operation leaves all this alone.
        finished = Signal()
        m.d.sync += [bus.done.eq(bus.r_stb | finished), finished.eq(0), ageing.done.eq(0)]
        with m.If(finished):
            m.d.sync += [
                response.status.eq(status),
                response.mac.eq(key[:48]),
                response.tenant.eq(key[48:]),
                response.entry.eq(entry),
            ]
        with m.If(bus.w_stb):
            m.d.sync += wanted.eq(1)

        with m.FSM(init="RESET") as fsm:
            # Whether another source waits is known a clock behind the last one.
            took = Signal()
            m.d.sync += took.eq(self.learn.ready)
            m.d.comb += self.busy.eq(
                ~fsm.ongoing("IDLE") | took | finished | wanted | self.learn.valid | ageing.due
            )

            with m.State("RESET"):
                m.d.sync += op.eq(MacOp.CLEAR)
                m.next = "START"

            with m.State("IDLE"):
                m.d.sync += [
                    from_host.eq(wanted),
                    wanted.eq(bus.w_stb),
                    ages.eq(0),
                    op.eq(Mux(wanted, request.op, MacOp.LEARN)),
                    status.eq(MacStatus.OK),
                    change.eq(MacChange.NONE),
                    replaces.eq(0),
                    table.valid.eq(1),
                    table.direct.eq(0),
                ]
                scans = ageing.due & ~ageing.done  # the last scan is over a clock before it is no longer due
                m.d.comb += scan_start.eq(~scans)
                with m.If(wanted):
                    m.next = "START"
                with m.Elif(scans & ~(self.learn.valid & learn_turn)):
                    m.d.comb += scan_next.eq(1)
                    m.d.sync += [ages.eq(1), learn_turn.eq(1)]
                    m.next = "READ"
                with m.Elif(self.learn.valid):
                    m.d.sync += learn_turn.eq(0)
                    m.next = "START"

            with m.State("START"):
                go(Step.LOAD, 0, pick=True)
                with m.Switch(op):
                    with m.Case(MacOp.DUMP):
                        m.next = "READ"
                    with m.Case(MacOp.CLEAR):
                        m.d.sync += [self.ready.eq(0), table.direct.eq(1), table.valid.eq(0)]
                        m.d.comb += scan_start.eq(1)
                        go(Step.CLEAR, -1, store=True)
                    with m.Case(MacOp.CLEAR_REFUSED):
                        m.d.comb += forgets.eq(1)
                        m.next = "FINISH"

            with m.State("READ"):
                m.d.sync += table.direct.eq(1)
                go(Step.READ, 1 << slot.way, pick=True)

            with m.State("PASS"):
                m.d.comb += table.request.eq(1)
                with m.If(table.granted):
                    m.next = "WAIT"

            with m.State("WAIT"):
                with m.If(table.done):
                    m.next = "DONE"

            with m.State("DONE"):
                with m.Switch(step):
                    with m.Case(Step.CLEAR):
                        # It began with the last one.
                        with m.If(~(scan.bucket[1:].all() & ~scan.bucket[0])):
                            m.d.comb += scan_next.eq(1)
                            m.next = "PASS"
                        with m.Elif(counts.cleared):
                            m.d.sync += self.ready.eq(1)
                            m.next = "FINISH"

                    with m.Case(Step.LOAD):
                        go(Step.FIND)

                    with m.Case(Step.FIND):
                        m.d.sync += table.valid.eq(op != MacOp.DELETE)
                        with m.If(op == MacOp.LEARN):
                            m.d.sync += change.eq(
                                Mux(
                                    ~hit,
                                    MacChange.LEARNED,
                                    Mux(same_place, MacChange.NONE, MacChange.MOVED),
                                )
                            )
                        go(Step.STORE, way, store=True)
                        with m.If(full & (walks | ~hit)):
                            with m.If(
                                (op == MacOp.INSERT) & steps[exact_log2(EVICT_STEPS) :].any() & ~entry.static
                            ):
                                m.d.comb += counts.less.eq(1)
                                m.next = "ERASE"
                            with m.Elif(steps.all()):
                                m.d.comb += refuses.eq(1)
                                fail(MacStatus.REFUSED)
                            with m.Else():
                                m.next = "MOVE"
                        with m.If(~walks):
                            m.d.sync += replaces.eq(hit & ~found_static & (op != MacOp.LEARN))
                            with m.If(hit):
                                with m.If(op == MacOp.FIND):
                                    m.next = "FINISH"
                                with m.If((op == MacOp.LEARN) & found_static):
                                    fail(MacStatus.STATIC)
                            with m.Elif((op == MacOp.FIND) | (op == MacOp.DELETE)):
                                fail(MacStatus.NOT_FOUND)
                            with m.Elif(at_limit):
                                m.d.comb += refuses.eq(1)
                                fail(MacStatus.REFUSED)

                    with m.Case(Step.TAKE):
                        go(Step.FIND)

                    with m.Case(Step.ERASE):
                        m.d.comb += restart.eq(1)
                        go(Step.LOAD, 0, pick=True)

                    with m.Case(Step.READ):
                        go(Step.STORE, store=True)
                        with m.If(~ages):
                            m.next = "FINISH"
                            with m.If(empty):
                                fail(MacStatus.NOT_FOUND)
                        with m.Else():
                            m.d.sync += entry.age.eq(entry.age - 1)
                            m.d.sync += ageing.done.eq(scanned)
                            with m.If(entry.age == 0):
                                m.d.sync += [table.valid.eq(0), change.eq(MacChange.AGED)]
                            with m.If(empty | entry.static):
                                m.next = "IDLE"

                    with m.Case(Step.STORE):
                        with m.If(walks):
                            m.next = "ERASE"
                        with m.Else():
                            m.d.sync += self.event.change.eq(change)
                            m.d.comb += [
                                counts.more.eq(change == MacChange.LEARNED),
                                counts.less.eq((change == MacChange.AGED) | replaces),
                            ]
                            m.next = "FINISH"

            with m.State("MOVE"):
                m.d.comb += step_on.eq(1)
                m.next = "TAKE"

            with m.State("TAKE"):
                go(Step.TAKE, turn, pick=True)

            with m.State("ERASE"):
                m.d.sync += table.valid.eq(0)
                go(Step.ERASE, turn, store=True)

            with m.State("FINISH"):
                m.d.comb += [restart.eq(1), self.learn.ready.eq(~from_host & ~ages & (op == MacOp.LEARN))]
                m.d.sync += finished.eq(from_host)
                m.next = "IDLE"
        return m
