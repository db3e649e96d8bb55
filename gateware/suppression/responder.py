"""Answers requests in the place of the VMs that are asked for."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..headers import TAG_BYTES
from ..ingress.fields import UNIT_BYTES
from ..lookup.verdict import Verdict
from ..memory.ports import Patch, ReadPort
from ..params import Params
from ..tables.hash import SEED_BITS
from .composer import ADVERT_BYTES, REPLY_BYTES, VM, Composer
from .examiner import ARP_TARGET, ASKER, ND_TARGET, Examiner
from .loader import UNITS, Loader
from .table import KnownTable

__all__ = ["Responder"]

_SETTLING = 4
"""Clocks that the examiner takes behind the last unit."""
_MAC_UNITS = 3


class Responder(wiring.Component):
    """Looks at one frame after the other, before anybody else gets it. If it asks for an address that is known in its
    tenant, the answer takes its place in packet memory, and the verdict becomes one that sends it back: untagged,
    with an edit that pushes the tag of the requester's VLAN. All others leave as they came.

    A frame takes some hundred clocks, and never waits for an output.

    Members
    -------
    request
        Verdicts on frames that may be answered (``asks``), in packet memory and without references. Taken when the
        frame leaves.
    outcome
        The same, in order.
    read, patch
        Packet memory.
    bus, seed
        Of :class:`.table.KnownTable`.
    answered
        Strobe.
    """

    def __init__(self, params: Params):
        self.params = params
        self.table = KnownTable(params)
        super().__init__(
            {
                "request": In(stream.Signature(Verdict(params))),
                "outcome": Out(stream.Signature(Verdict(params))),
                "read": Out(ReadPort(params)),
                "patch": Out(stream.Signature(Patch(params))),
                "bus": In(self.table.bus.signature.flip()),
                "seed": In(SEED_BITS),
                "answered": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.loader = loader = Loader(params)
        m.submodules.examiner = examiner = Examiner()
        m.submodules.table = table = self.table
        m.submodules.composer = composer = Composer(params)
        # The untagged frame; its destination gives way to the VM's MAC address.
        m.submodules.frame = frame = Memory(shape=16, depth=UNITS, init=[])
        write, read = frame.write_port(), frame.read_port(domain="comb")
        connect(m, loader.read, flipped(self.read))
        connect(m, flipped(self.bus), table.bus)

        verdict = self.request.payload
        descriptor = verdict.descriptor
        start = Signal()
        begins = Signal()
        m.d.comb += [
            loader.start.eq(start),
            loader.head.eq(descriptor.head),
            loader.tagged.eq(descriptor.tagged),
            loader.end.eq(descriptor.end),
            examiner.start.eq(start),
            examiner.unit.valid.eq(loader.unit.valid),
            examiner.unit.number.eq(loader.unit.number),
            examiner.unit.value.eq(loader.unit.value),
            examiner.other.eq(read.data),
            table.seed.eq(self.seed),
            table.tenant.eq(verdict.tenant),
            table.is_ipv6.eq(examiner.is_ipv6),
            composer.is_ipv6.eq(examiner.is_ipv6),
            composer.unit.eq(read.data),
            self.patch.valid.eq(composer.word.valid),
            self.patch.payload.cell.eq(descriptor.head),
            self.patch.payload.word.eq(composer.word.payload),
            composer.word.ready.eq(self.patch.ready),
        ]
        m.d.sync += [
            examiner.units.eq((descriptor.end - Mux(descriptor.tagged, TAG_BYTES, 0)) >> 1),
            table.unit.eq(read.data),
        ]

        count = Signal(range(2 * _MAC_UNITS))
        compared = Signal(16)
        is_own = Signal()
        looking_up, comparing, composing = Signal(), Signal(), Signal()
        with m.If(looking_up):
            # An IPv4 address is the end of an IPv6 address.
            first = Mux(examiner.is_ipv6, ND_TARGET, ARP_TARGET - 6)
            m.d.comb += read.addr.eq(first + table.at)
        with m.Elif(comparing):
            m.d.comb += read.addr.eq(Mux(count[0], VM, ASKER) + (count >> 1))
        with m.Elif(composing):
            m.d.comb += read.addr.eq(composer.at)
        with m.Else():
            m.d.comb += read.addr.eq(examiner.other_at)
        with m.If(looking_up):
            m.d.comb += [
                write.en.eq(table.mac.valid),
                write.addr.eq(VM + table.mac.number),
                write.data.eq(table.mac.value),
            ]
        with m.Else():
            m.d.comb += [
                write.en.eq(loader.unit.valid),
                write.addr.eq(loader.unit.number),
                write.data.eq(loader.unit.value),
            ]

        answers = Signal()
        leaves = self.outcome.valid & self.outcome.ready
        m.d.comb += [
            self._outcome(answers, examiner.is_ipv6),
            self.request.ready.eq(leaves),
            self.answered.eq(leaves & answers),
        ]
        m.d.sync += count.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += answers.eq(0)
                with m.If(self.request.valid):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += start.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"):
                with m.If(loader.done):
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == _SETTLING):
                    m.next = "LEAVE"
                    with m.If(examiner.is_request):
                        m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += [looking_up.eq(1), table.start.eq(table.ready)]
                with m.If(table.ready):
                    m.next = "LOOKUP"
            with m.State("LOOKUP"):
                m.d.comb += looking_up.eq(1)
                m.d.sync += is_own.eq(1)
                with m.If(table.done):
                    m.next = "LEAVE"
                    with m.If(table.hit):
                        m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.comb += comparing.eq(1)
                m.d.sync += [count.eq(count + 1), compared.eq(read.data)]
                with m.If(count[0]):
                    m.d.sync += is_own.eq(is_own & (compared == read.data))
                with m.If(count == 2 * _MAC_UNITS - 1):
                    m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.comb += [begins.eq(~is_own), composer.start.eq(begins)]
                m.d.sync += answers.eq(begins)
                m.next = "LEAVE"
                with m.If(begins):
                    m.next = "COMPOSE"
            with m.State("COMPOSE"):
                m.d.comb += composing.eq(1)
                with m.If(composer.done):
                    m.next = "LEAVE"
            with m.State("LEAVE"):
                m.d.comb += self.outcome.valid.eq(1)
                with m.If(self.outcome.ready):
                    m.next = "IDLE"
        return m

    def _outcome(self, answers: Value, is_ipv6: Value) -> list:
        """The verdict on the request, or on the answer in its place."""
        request, outcome = self.request.payload, self.outcome.payload
        changed = {
            "ports": Const(1, self.params.ports) << request.port,
            "exclude": 0,
            # Nor is it a whole frame to those who want to see what came in.
            "stored": 0,
        }
        if self.params.limited_tenants:
            changed["floods"] = 0
        descriptor = {
            "end": Mux(is_ipv6, ADVERT_BYTES, REPLY_BYTES),
            "is_list": 0,
            "target": request.descriptor.exclude_vid,
            "tagged": 0,
        }
        statements = [outcome.eq(request)]
        statements += [
            outcome[name].eq(Mux(answers, value, request[name])) for name, value in changed.items()
        ]
        statements += [
            outcome.descriptor[name].eq(Mux(answers, value, request.descriptor[name]))
            for name, value in descriptor.items()
        ]
        return statements


assert REPLY_BYTES % UNIT_BYTES == ADVERT_BYTES % UNIT_BYTES == 0
