"""Which octets come next: the programs of a port, one operation after the other."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..params import Params
from .entry import Job
from .program import MAX_STEP, assemble, programs

__all__ = ["Order", "Plan", "Stepper"]


class Plan(data.StructLayout):
    """What the editor must know of a :class:`Job` apart from reading the frame.

    ``variable``: the octets of the frame's own that are inserted, first one most significant.
    """

    def __init__(self, params: Params, port: int):
        job = Job(params, port).members
        super().__init__({name: job[name] for name in ("start", "end", "program")} | {"variable": 16})


class Order(data.StructLayout):
    """One operation on ``octets`` octets (see :class:`~.program.Operation`).

    ``begin``, ``start``: the first operation of a job, and where in its word the frame's first octet stands.
    """

    def __init__(self, params: Params, rows: int):
        super().__init__(
            {
                "memory": 1,
                "emit": 1,
                "outer": 1,
                "octets": 14,
                "row": range(max(2, rows)),
                "drain": 1,
                "last": 1,
                "begin": 1,
                "start": range(params.word_bytes),
                "variable": 16,
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
                "order": Out(stream.Signature(Order(params, len(self.assembly.literals)))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        assembly = self.assembly
        order = self.order.payload

        busy = Signal()
        begin = Signal()
        at = Signal(range(len(assembly.operations)))
        plan = Signal.like(self.plan.payload)
        passed = Signal(range(max(assembly.passed.values()) + 1))

        # The length of the rest is ready for the third operation, the first that may need it.
        rest_at = Signal(14)
        rest = Signal(14)
        m.d.sync += [rest_at.eq(plan.start + passed), rest.eq(plan.end - rest_at)]

        step = Signal(range(MAX_STEP + 1))
        is_rest = Signal()
        with m.Switch(at):
            for index, operation in enumerate(assembly.operations):
                with m.Case(index):
                    m.d.comb += [
                        order.memory.eq(operation.memory),
                        order.emit.eq(operation.emit),
                        order.outer.eq(operation.outer),
                        order.row.eq(operation.row),
                        order.drain.eq(operation.drain),
                        order.last.eq(operation.last),
                        step.eq(operation.octets),
                        is_rest.eq(operation.rest),
                    ]
        m.d.comb += [
            self.order.valid.eq(busy),
            order.octets.eq(Mux(is_rest, rest, step)),
            order.begin.eq(begin),
            order.start.eq(plan.start),
            order.variable.eq(plan.variable),
            self.plan.ready.eq(~busy),
        ]
        with m.If(self.order.ready):
            m.d.sync += [begin.eq(0), at.eq(at + 1)]
            with m.If(order.last):
                m.d.sync += busy.eq(0)
        with m.If(~busy):
            m.d.sync += [busy.eq(self.plan.valid), begin.eq(1), plan.eq(self.plan.payload)]
            with m.Switch(self.plan.payload.program):
                for program, first in assembly.begin.items():
                    with m.Case(program):
                        m.d.sync += [at.eq(first), passed.eq(assembly.passed[program])]
        return m
