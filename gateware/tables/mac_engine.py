"""The engine that keeps the MAC table: inserts with cuckoo moves, learning, ageing, and what the host asks
for."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..params import Params
from .bus import TableBus
from .mac_ageing import AgeingClock
from .mac_entry import (
    AGE_FRESH,
    WAYS,
    MacEntry,
    MacKey,
    MacLearn,
    MacOp,
    MacRequest,
    MacSlot,
    MacStatus,
    StoredMac,
    mac_hash,
)
from .mac_lookup import MacProbe, MacWrite
from .mac_steps import BURST, EVICT_STEPS, MAX_PATH, MAX_STEPS, Event, Step

__all__ = ["MacEngine"]


class MacEngine(wiring.Component):
    """Runs one operation at a time, of the host, of learning, or of ageing, in idle clocks of the lookup.

    ``bus``       a write is an operation (:class:`MacRequest`) and done when it is finished; a read returns
                  the outcome of the last one. The index does not matter.
    ``learn``     sources to be learned, from a queue.
    ``second``    strobe per second, the unit of ``age_seconds`` (0: entries do not age).
    ``learned``, ``moved``, ``aged``, ``refused``
                  strobes: a learned entry is new, is now in another place, or was removed by age; an INSERT
                  or LEARN found no room.
    ``ready``     the table has been cleared, ``macs / 2`` clocks after reset; operations wait for it.
    ``busy``      an operation or a scan is going on.

    A new entry goes to a free slot of its four. If there is none, a random walk over the slots that the
    occupants could move to looks for a free one; then, from that end, each occupant is copied to its new
    slot before its old one is overwritten. A lookup thus finds every other key at every instant, at times
    twice, equal. A walk that meets its own path cuts off the loop, so that no slot is on the path twice.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "bus": In(TableBus(MacRequest, BURST)),
                "learn": In(stream.Signature(MacLearn(params))),
                "second": In(1),
                "age_seconds": In(16),
                "learned": Out(1),
                "moved": Out(1),
                "aged": Out(1),
                "refused": Out(1),
                "ready": Out(1),
                "busy": Out(1),
                "probe": Out(MacProbe(params)),
                "write": Out(MacWrite(params)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        params, bus, probe, write = self.params, self.bus, self.probe, self.write
        low_bits = mac_hash(params).low_bits
        m.submodules.ageing = ageing = AgeingClock()
        m.submodules.path = path = Memory(shape=MacSlot(params), depth=MAX_PATH, init=[])
        path_write = path.write_port()
        path_read = path.read_port(domain="comb")

        # The operation.
        wanted = Signal()
        from_host = Signal()
        learn_turn = Signal()
        op = Signal(MacOp)
        key = Signal(MacKey(params))
        new = Signal(MacEntry)
        status = Signal(MacStatus)
        found = Signal(MacEntry)
        refused_count = Signal(16)
        response = Signal(MacRequest)
        step = Signal(Step)
        scan = Signal(MacSlot(params).size)

        # The walk.
        random = Signal(16, init=1)
        victim_key = Signal(StoredMac(params)["key"].shape)
        victim_slot = Signal(MacSlot(params))
        next_slot = Signal(MacSlot(params))
        next_static = Signal()
        other_way = Signal(range(WAYS))
        path_index = Signal(range(MAX_PATH))
        path_slot = Signal(MacSlot(params))
        length = Signal(range(MAX_PATH))
        steps = Signal(range(MAX_STEPS))
        m.d.sync += [
            random.eq(random[1:] ^ Mux(random[0], 0xB400, 0)),
            other_way.eq(victim_slot.way + 1 + Mux(random[:2] == 3, random[2], random[:2])),
            Value.cast(path_slot).eq(Value.cast(path_read.data)),
        ]
        m.d.comb += [
            path_write.addr.eq(length),
            path_write.data.eq(victim_slot),
            path_read.addr.eq(path_index),
        ]

        # The write: of the new entry or of the one last read, to ``target``.
        target = Signal(MacSlot(params))
        put_valid = Signal()
        put_read = Signal()
        put_age = Signal(2)
        event = Signal(Event)
        with m.If(put_read):
            m.d.comb += write.data.eq(probe.entry)
        with m.Else():
            m.d.comb += [write.data.key.eq(Value.cast(key)[low_bits:]), write.data.value.eq(new)]
        m.d.comb += [
            write.data.valid.eq(put_valid),
            write.data.value.age.eq(put_age),
            write.bucket.eq(target.bucket),
            write.ways.eq(1 << target.way),
        ]

        # Answers of the probe, one clock late where they would be too deep.
        free_slot = Signal(MacSlot(params))
        read_slot = Signal(MacSlot(params))
        low = Signal(low_bits)
        same_place = Signal()
        all_used = Signal()

        def slot_in(way: Value) -> Value:
            """The slot of the key last probed in ``way``."""
            return Cat(Array(probe.index)[way], way)

        def lowest(ways: Value) -> Value:
            return Mux(ways[0], 0, Mux(ways[1], 1, Mux(ways[2], 2, 3)))

        free_way = Signal(range(WAYS))
        match_way = Signal(range(WAYS))
        m.d.comb += [free_way.eq(lowest(~probe.used)), match_way.eq(lowest(probe.matches))]
        m.d.sync += [
            Value.cast(free_slot).eq(slot_in(free_way)),
            Value.cast(read_slot).eq(slot_in(probe.slot.way)),
            all_used.eq(probe.used.all()),
            # The index of a key with low bits 0 tells the low bits of the key that is in this bucket.
            low.eq(Array(probe.index)[victim_slot.way] ^ victim_slot.bucket),
            same_place.eq((found.kind == new.kind) & (found.port == new.port) & (found.id == new.id)),
        ]

        def look(why: Step, *, key: Value | None = None, way: Value | int = 0, slot: Value | None = None):
            """Probe by ``key``, capturing what it finds in ``way``; or by ``slot``."""
            m.d.sync += [step.eq(why), probe.by_slot.eq(slot is not None)]
            if slot is None:
                m.d.sync += [probe.key.eq(key), probe.slot.way.eq(way)]
            else:
                m.d.sync += Value.cast(probe.slot).eq(slot)
            m.next = "PROBE"

        def put(where: Value, *, valid: int = 1, read: bool = False, age: Value | int = AGE_FRESH):
            """Write the new entry, or the one that was ``read``, to slot ``where``."""
            m.d.sync += [
                Value.cast(target).eq(where),
                put_valid.eq(valid),
                put_read.eq(read),
                put_age.eq(age),
            ]
            m.next = "WRITE"

        def finish(outcome: MacStatus):
            m.d.sync += status.eq(outcome)
            m.next = "FINISH"

        m.d.comb += [
            ageing.second.eq(self.second),
            ageing.age_seconds.eq(self.age_seconds),
            Value.cast(bus.r_data).eq(Value.cast(response)),
        ]
        with m.If(~ageing.due):
            m.d.sync += scan.eq(0)
        m.d.sync += bus.done.eq(bus.r_stb)
        with m.If(bus.w_stb):
            m.d.sync += wanted.eq(1)

        with m.FSM(init="CLEAR") as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE") | wanted | self.learn.valid | ageing.due)

            with m.State("CLEAR"):
                m.d.comb += [write.request.eq(1), write.ways.eq((1 << WAYS) - 1)]
                with m.If(write.granted):
                    m.next = "CLEARED"

            with m.State("CLEARED"):
                m.d.sync += target.bucket.eq(target.bucket + 1)
                m.next = "CLEAR"
                with m.If(target.bucket.all()):
                    m.d.sync += self.ready.eq(1)
                    finish(MacStatus.OK)

            with m.State("IDLE"):
                m.d.sync += [event.eq(Event.NONE), length.eq(0), steps.eq(0), from_host.eq(wanted)]
                with m.If(wanted):
                    m.next = "LOAD"
                with m.Elif(ageing.due & ~(self.learn.valid & learn_turn)):
                    m.next = "SCAN"
                with m.Elif(self.learn.valid):
                    m.next = "LOAD"

            with m.State("LOAD"):
                request, learned = bus.w_data, self.learn.payload
                m.d.comb += self.learn.ready.eq(~from_host)
                m.d.sync += learn_turn.eq(0)
                with m.If(from_host):
                    m.d.sync += [wanted.eq(0), op.eq(request.op), new.eq(request.entry)]
                    m.d.sync += [key.mac.eq(request.mac), key.tenant.eq(request.tenant)]
                with m.Else():
                    m.d.sync += [op.eq(MacOp.LEARN), new.eq(learned.entry)]
                    m.d.sync += [key.mac.eq(learned.mac), key.tenant.eq(learned.tenant)]
                m.next = "START"

            with m.State("SCAN"):
                m.d.sync += learn_turn.eq(1)
                look(Step.AGE, slot=scan)

            with m.State("START"):
                m.d.sync += [new.static.eq(op == MacOp.INSERT), found.eq(new)]
                with m.Switch(op):
                    with m.Case(MacOp.DUMP):
                        look(Step.DUMP, slot=bus.w_data.index)
                    with m.Case(MacOp.CLEAR):
                        m.d.sync += [self.ready.eq(0), target.bucket.eq(0), put_valid.eq(0)]
                        m.next = "CLEAR"
                    with m.Case(MacOp.CLEAR_REFUSED):
                        m.d.sync += refused_count.eq(0)
                        finish(MacStatus.OK)
                    with m.Default():
                        look(Step.FIND, key=Value.cast(key), way=random[:2])

            with m.State("PROBE"):
                m.d.comb += probe.request.eq(1)
                with m.If(probe.granted):
                    m.next = "WAIT"

            with m.State("WAIT"):
                # Whether there is a match is known only with ``done``, everything else before.
                with m.If(step == Step.FIND):
                    m.d.sync += [found.eq(probe.value), Value.cast(target).eq(slot_in(match_way))]
                with m.If(probe.done):
                    with m.Switch(step):
                        for each in Step:
                            with m.Case(each):
                                m.next = each.name
                    with m.If((step == Step.FIND) & probe.matches.any()):
                        m.next = "FOUND"

            with m.State("FIND"):
                with m.If((op == MacOp.FIND) | (op == MacOp.DELETE)):
                    finish(MacStatus.NOT_FOUND)
                with m.Else():
                    with m.If(op == MacOp.LEARN):
                        m.d.sync += event.eq(Event.LEARNED)
                    m.d.sync += [victim_slot.eq(read_slot), victim_key.eq(probe.entry.key)]
                    put(Value.cast(free_slot))
                    with m.If(all_used):
                        m.next = "PUSH"

            with m.State("FOUND"):
                m.next = "CHANGE"

            with m.State("CHANGE"):
                with m.Switch(op):
                    with m.Case(MacOp.INSERT):
                        put(Value.cast(target))
                    with m.Case(MacOp.DELETE):
                        put(Value.cast(target), valid=0)
                    with m.Case(MacOp.LEARN):
                        with m.If(found.static):
                            finish(MacStatus.STATIC)
                        with m.Elif(same_place & (found.age == AGE_FRESH)):
                            finish(MacStatus.OK)
                        with m.Else():
                            m.d.sync += event.eq(Mux(same_place, Event.NONE, Event.MOVED))
                            put(Value.cast(target))
                    with m.Default():
                        finish(MacStatus.OK)

            with m.State("PUSH"):
                m.d.comb += path_write.en.eq(1)
                m.d.sync += [length.eq(length + 1), steps.eq(steps + 1), path_index.eq(0)]
                look(Step.VICTIM, key=victim_key << low_bits)
                with m.If(steps == MAX_STEPS - 1):
                    m.next = "REFUSE"
                with m.Elif(length == MAX_PATH - 1):
                    # Too long a path: walk another one.
                    m.d.sync += length.eq(0)
                    look(Step.FIND, key=Value.cast(key), way=random[:2])

            with m.State("REFUSE"):
                m.d.comb += self.refused.eq(1)
                with m.If(from_host & (op == MacOp.INSERT) & ~refused_count.all()):
                    m.d.sync += refused_count.eq(refused_count + 1)
                finish(MacStatus.REFUSED)

            with m.State("VICTIM"):
                look(Step.ALTERNATIVES, key=Cat(low, victim_key), way=other_way)

            with m.State("ALTERNATIVES"):
                m.d.sync += [next_slot.eq(read_slot), path_index.eq(1)]
                m.d.sync += next_static.eq(probe.entry.value.static)
                m.next = "CHECK"
                with m.If(~all_used):
                    m.d.sync += [target.eq(free_slot), path_index.eq(length - 1)]
                    m.next = "MOVE"

            with m.State("CHECK"):
                # ``path_slot`` is what is one before ``path_index``.
                m.d.sync += path_index.eq(path_index + 1)
                on_path = Value.cast(path_slot) == Value.cast(next_slot)
                with m.If(on_path):
                    m.d.sync += length.eq(path_index - 1)
                with m.If(on_path | (path_index == length)):
                    m.d.sync += [victim_slot.eq(next_slot), victim_key.eq(probe.entry.key)]
                    m.next = "PUSH"
                    with m.If(~on_path & (op == MacOp.INSERT) & (steps >= EVICT_STEPS) & ~next_static):
                        m.d.sync += [target.eq(next_slot), path_index.eq(length - 1)]
                        m.next = "MOVE"

            # Each entry of the path goes where the next one was, from the end that is free.
            with m.State("MOVE"):
                m.next = "MOVE-NEXT"

            with m.State("MOVE-NEXT"):
                with m.If(length == 0):
                    put(Value.cast(target))
                with m.Else():
                    look(Step.MOVED, slot=Value.cast(path_slot))

            with m.State("MOVED"):
                put(Value.cast(target), read=True, age=probe.entry.value.age)

            with m.State("DUMP"):
                m.d.sync += [
                    found.eq(probe.entry.value),
                    victim_key.eq(probe.entry.key),
                    victim_slot.eq(probe.slot),
                ]
                m.next = "DUMP-VALID"
                with m.If(~probe.entry.valid):
                    finish(MacStatus.NOT_FOUND)

            with m.State("DUMP-VALID"):
                look(Step.DUMP_KEY, key=victim_key << low_bits)

            with m.State("DUMP_KEY"):
                m.d.sync += probe.key.eq(Cat(low, victim_key))
                finish(MacStatus.OK)

            with m.State("AGE"):
                m.d.sync += scan.eq(scan + 1)
                m.d.comb += ageing.done.eq(scan.all())
                age = probe.entry.value.age
                put(Value.cast(probe.slot), read=True, age=age - 1)
                with m.If(age == 0):
                    m.d.sync += [put_valid.eq(0), event.eq(Event.AGED)]
                with m.If(~probe.entry.valid | probe.entry.value.static):
                    m.next = "IDLE"

            with m.State("WRITE"):
                m.d.comb += write.request.eq(1)
                with m.If(write.granted):
                    m.next = "WRITTEN"

            with m.State("WRITTEN"):
                with m.If(put_read & (step == Step.MOVED)):
                    # The entry is at both places now; the old one is free for the next.
                    m.d.sync += [target.eq(probe.slot), length.eq(length - 1), path_index.eq(length - 2)]
                    m.next = "MOVE"
                with m.Else():
                    m.d.comb += [
                        self.learned.eq(event == Event.LEARNED),
                        self.moved.eq(event == Event.MOVED),
                        self.aged.eq(event == Event.AGED),
                    ]
                    finish(MacStatus.OK)

            with m.State("FINISH"):
                with m.If(from_host):
                    m.d.sync += [
                        bus.done.eq(1),
                        response.status.eq(status),
                        response.mac.eq(probe.key[:48]),
                        response.tenant.eq(probe.key[48:]),
                        response.entry.eq(found),
                        response.refused.eq(refused_count),
                    ]
                m.next = "IDLE"
        return m
