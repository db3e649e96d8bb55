"""Which octets come next: the programs of a port, one operation after the other."""

from amaranth.hdl import Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..headers import TAG_BYTES, Encapsulation
from ..params import Params
from .entry import Job, variables
from .program import MAX_STEP, Assembly, Encapsulating, Operation, assemble, programs

__all__ = ["Order", "Plan", "Stepper", "make_plan"]

_END_BITS = 14
_FLAGS = ("memory", "emit", "outer", "drain", "last", "rest")


def _assembly(params: Params, port: int) -> Assembly:
    return assemble(programs(params.is_fabric(port)), params.word_bytes)


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


class Plan(data.StructLayout):
    """What the editor must know of a :class:`Job` apart from reading the frame, see :func:`make_plan`.

    ``step``       the first operation of its program.
    ``at``         index of the second one.
    ``passed``     octets of the stored frame that the program has passed over when it comes to the rest.
    ``tagged``     a tag of the stored frame is left out (fabric ports).
    ``variables``  see :func:`.entry.variables`.
    """

    def __init__(self, params: Params, port: int):
        job = Job(params, port).members
        assembly = _assembly(params, port)
        super().__init__(
            {
                "start": job["start"],
                "end": job["end"],
                "step": _Step(assembly, params.word_bytes),
                "at": range(len(assembly.operations) + 1),
                "passed": range(max(assembly.passed.values()) + 1),
                "variables": variables(params.is_fabric(port)),
            }
            | ({"tagged": 1} if params.is_fabric(port) else {})
        )


def make_plan(m: Module, params: Params, port: int, plan: data.View, job: data.View) -> None:
    """Make the :class:`Plan` of ``job``, combinationally: there is more time for that than when the stepper has it."""
    m.d.comb += [
        plan.start.eq(job.start),
        plan.end.eq(job.end),
        *(plan.variables[name].eq(job[name]) for name in plan.variables.shape().members),
    ]
    if params.is_fabric(port):
        m.d.comb += plan.tagged.eq(data.View(Encapsulating, job.program).tagged)
    assembly = _assembly(params, port)
    layout = plan.step.shape()
    with m.Switch(job.program):
        for program, first in assembly.begin.items():
            with m.Case(program):
                m.d.comb += [
                    plan.step.eq(layout.of(assembly.operations[first])),
                    plan.at.eq(first + 1),
                    plan.passed.eq(assembly.passed[program]),
                ]


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
        self.assembly = _assembly(params, port)
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

        # The length of the rest is ready for the third operation, the first that may need it.
        rest_at = Signal(max(len(plan.start), len(plan.passed)) + 1)
        final = Signal(_END_BITS)
        rest = Signal.like(order.left)
        m.d.sync += [
            rest_at.eq(plan.start + plan.passed),
            final.eq(plan.end - 1),
            rest.eq((final >> octet_bits) - (rest_at >> octet_bits) - 1),
        ]

        if self.params.is_fabric(self.port):
            udp_length = Signal(_END_BITS)
            vxlan = Encapsulation.VXLAN.overhead
            m.d.sync += udp_length.eq(plan.end - plan.start + Mux(plan.tagged, vxlan - TAG_BYTES, vxlan))
            m.d.comb += order.udp_length.eq(udp_length)

        # The operation at hand, from registers.
        step = Signal.like(plan.step)
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
        following = Signal.like(step)
        with m.Switch(at):
            for index, operation in enumerate(assembly.operations):
                with m.Case(index):
                    m.d.comb += following.eq(step.shape().of(operation))
        with m.If(~busy):
            m.d.sync += [step.eq(self.plan.payload.step), at.eq(self.plan.payload.at)]
        with m.Elif(self.order.ready):
            m.d.sync += [step.eq(following), at.eq(at + 1)]
        return m
