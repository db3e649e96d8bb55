"""Which octets come next: the programs of a port, one operation after the other."""

from amaranth.hdl import Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..headers import TAG_BYTES, Encapsulation
from ..params import Params
from .entry import Job, variables
from .program import MAX_STEP, Assembly, Encapsulating, Operation, assemble, programs

__all__ = ["Order", "Plan", "Stepper"]

_END_BITS = 14
_FLAGS = ("memory", "emit", "outer", "drain", "last", "rest")


class Plan(data.StructLayout):
    """What the editor must know of a :class:`Job` apart from reading the frame.

    ``variables``: see :func:`.entry.variables`.
    """

    def __init__(self, params: Params, port: int):
        job = Job(params, port).members
        super().__init__(
            {name: job[name] for name in ("start", "end", "program")}
            | {"variables": variables(params.is_fabric(port))}
        )


class Order(data.StructLayout):
    """One operation (see :class:`~.program.Operation`) on the octets from ``first`` in the source's word at hand
    to ``final`` of the word that comes ``left`` + 1 words later; ``left`` is -1 if that is the same.

    ``begin``: the first operation of a job.
    ``starts``: which of the assembly's ``starts`` it begins with, one bit each.
    ``udp_length``: that of VXLAN with the frame.
    """

    def __init__(self, params: Params, port: int, starts: int):
        octets = range(params.word_bytes)
        super().__init__(
            {
                "memory": 1,
                "emit": 1,
                "outer": 1,
                "first": octets,
                "final": octets,
                "left": signed(_END_BITS - ceil_log2(params.word_bytes) + 1),
                "starts": starts,
                "drain": 1,
                "last": 1,
                "begin": 1,
                "variables": variables(params.is_fabric(port)),
                "udp_length": _END_BITS,
            }
        )


class Stepper(wiring.Component):
    """Runs the program of each plan: one operation per clock, the first one a clock after
    the plan was accepted.

    The next plan is accepted a clock after the last operation was taken, while that one is at work.
    """

    def __init__(self, params: Params, port: int):
        self.params = params
        self.port = port
        self.assembly = assemble(programs(params.is_fabric(port)), params.word_bytes)
        super().__init__(
            {
                "plan": In(stream.Signature(Plan(params, port))),
                "order": Out(stream.Signature(Order(params, port, len(self.assembly.starts)))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        assembly = self.assembly
        octets = self.params.word_bytes
        octet_bits = ceil_log2(octets)
        order = self.order.payload

        busy = Signal()
        begin = Signal()
        at = Signal(range(len(assembly.operations) + 1))  # the operation behind the one at hand
        plan = Signal.like(self.plan.payload)
        passed = Signal(range(max(assembly.passed.values()) + 1))

        # The length of the rest is ready for the third operation, the first that may need it.
        rest_at = Signal(range((1 << len(plan.start)) + max(assembly.passed.values())))
        final = Signal(_END_BITS)
        rest = Signal.like(order.left)
        m.d.sync += [
            rest_at.eq(plan.start + passed),
            final.eq(plan.end - 1),
            rest.eq((final >> octet_bits) - (rest_at >> octet_bits) - 1),
        ]

        if self.params.is_fabric(self.port):
            tagged = data.View(Encapsulating, plan.program).tagged
            udp_length = Signal(_END_BITS)
            vxlan = Encapsulation.VXLAN.overhead
            m.d.sync += udp_length.eq(plan.end - plan.start + Mux(tagged, vxlan - TAG_BYTES, vxlan))
            m.d.comb += order.udp_length.eq(udp_length)

        # The operation at hand, from registers.
        layout = _Step(assembly, octets)
        step = Signal(layout)
        cursor = Signal(octet_bits)  # where the next octet of the stored frame stands in its word
        span = Signal(signed(len(step.reach) + 1))
        reach = Signal.like(span)
        m.d.comb += [
            self.order.valid.eq(busy),
            order.memory.eq(step.memory),
            order.emit.eq(step.emit),
            order.outer.eq(step.outer),
            order.starts.eq(step.starts),
            order.drain.eq(step.drain),
            order.last.eq(step.last),
            order.begin.eq(begin),
            order.first.eq(Mux(step.memory, cursor, 0)),
            span.eq(cursor + step.reach),
            reach.eq(Mux(step.memory, span, step.reach)),
            order.final.eq(Mux(step.rest, final[:octet_bits], reach[:octet_bits])),
            order.left.eq(Mux(step.rest, rest, reach >> octet_bits)),
            order.variables.eq(plan.variables),
            self.plan.ready.eq(~busy),
        ]
        with m.If(~busy):
            m.d.sync += [
                busy.eq(self.plan.valid),
                begin.eq(1),
                plan.eq(self.plan.payload),
                cursor.eq(self.plan.payload.start),
            ]
        with m.Elif(self.order.ready):
            m.d.sync += begin.eq(0)
            with m.If(step.memory):
                m.d.sync += cursor.eq(span + 1)
            with m.If(step.last):
                m.d.sync += busy.eq(0)
        # The order's ready enables the registers, and what is loaded does not: neither waits for the other.
        loaded = Signal(layout)
        loaded_at = Signal.like(at)
        loaded_passed = Signal.like(passed)
        m.d.comb += loaded_passed.eq(passed)
        with m.If(busy):
            m.d.comb += loaded_at.eq(at + 1)
            with m.Switch(at):
                for index, operation in enumerate(assembly.operations):
                    with m.Case(index):
                        m.d.comb += loaded.eq(layout.of(operation))
        with m.Else(), m.Switch(self.plan.payload.program):
            for program, first in assembly.begin.items():
                with m.Case(program):
                    m.d.comb += [
                        loaded.eq(layout.of(assembly.operations[first])),
                        loaded_at.eq(first + 1),
                        loaded_passed.eq(assembly.passed[program]),
                    ]
        with m.If(~busy | self.order.ready):
            m.d.sync += [step.eq(loaded), at.eq(loaded_at), passed.eq(loaded_passed)]
        return m


class _Step(data.StructLayout):
    """The operation at hand. ``reach``: from the first octet of the second word to the last octet, if the operation
    began with a word."""

    def __init__(self, assembly: Assembly, octets: int):
        self._octets = octets
        self._rows = assembly.starts
        flags = dict.fromkeys(_FLAGS, 1)
        super().__init__(
            flags | {"starts": len(assembly.starts), "reach": Shape.cast(range(-1 - octets, MAX_STEP))}
        )

    def of(self, operation: Operation) -> data.Const:
        inserts = operation.emit and not operation.memory and not operation.outer
        return self.const(
            {name: getattr(operation, name) for name in _FLAGS}
            | {
                "starts": sum(
                    (inserts and operation.row == row) << bit for bit, row in enumerate(self._rows)
                ),
                "reach": operation.octets - 1 - self._octets,
            }
        )
