"""From a decision and the end of its frame to what happens to the frame."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..headers import (
    Congestion,
    Control,
    Descriptor,
    Drop,
    Edit,
    GroupAddress,
    Header,
    Stored,
    is_discovery,
)
from ..hostport.interest import Interest, Wish, at_port, wish
from ..params import Params
from ..tables.mac_entry import MacKind, MacLearn
from .decision import Decision
from .ways import BUCKETS, TepWays, bucket

__all__ = [
    "DecisionFacts",
    "HeaderFacts",
    "Judged",
    "Verdict",
    "VerdictRules",
    "decision_facts",
    "header_facts",
]


class HeaderFacts(data.Struct):
    """Of a :class:`~..headers.Header`, what the verdict depends on most."""

    bad: 1
    """It names a reason to drop the frame."""
    error: 1
    """Which is that it was damaged."""
    foremost: 1
    """Which comes before any decision."""
    answered: 1
    """The TEP itself is asked."""


class DecisionFacts(data.Struct):
    """Of a :class:`Decision`, likewise."""

    bad: 1
    """It names a reason to drop the frame."""
    unknown_tep: 1
    """Which is that nobody known sent it."""
    encapsulates: 1


def header_facts(header: data.View) -> Value:
    """The :class:`HeaderFacts` of ``header``."""
    error, bad = header.drop == Drop.RX_ERROR, header.drop != Drop.NONE
    return Cat(bad, error, error | (header.drop == Drop.NOT_MINE), ~bad & (header.control != Control.NONE))


def decision_facts(decision: data.View) -> Value:
    """The :class:`DecisionFacts` of ``decision``."""
    return Cat(decision.drop != Drop.NONE, decision.drop == Drop.UNKNOWN_TEP, decision.edit == Edit.ENCAP)


class Judged(data.StructLayout):
    """A frame that has ended, with the decision on it, facts of both, and what the host wishes if it is as the decision
    or as the header says."""

    def __init__(self, params: Params):
        ways = {"ways": TepWays(params)} if params.has_ways else {}
        super().__init__(
            {
                "port": range(max(2, params.ports)),
                "decision": Decision(params),
                "header": Header(params),
                "stored": Stored(params),
                "decision_facts": DecisionFacts,
                "header_facts": HeaderFacts,
                "decision_wish": Wish,
                "header_wish": Wish,
            }
            | ways
        )


class Verdict(data.StructLayout):
    """Where a frame goes. ``drop`` other than NONE means nowhere; ``ports`` is then 0."""

    def __init__(self, params: Params):
        fields = {
            "drop": Drop,
            "port": range(max(2, params.ports)),  # it came in on
            "ports": params.ports,  # it goes out on, one bit each
            "descriptor": Descriptor(params),  # the same for all ports, ``port`` and ``exclude`` left 0
            "exclude": 1,  # set ``exclude`` in the descriptor for the ingress port
            "length": 14,  # octets of the stored frame
            "stored": 1,  # it is whole in packet memory
            "discovery": 1,  # it is neighbour discovery from the underlay
            "wish": Wish,  # of the host
        }
        if params.tep_counters:
            # It was taken from this remote TEP.
            fields |= {"from_tep": 1, "tep": ceil_log2(params.teps)}
        if params.tenant_counters:
            fields["from_vm"] = 1  # it was taken from a VM
        if params.limited_tenants:
            fields["floods"] = 1  # it was taken from a VM and goes to a list
        if params.suppresses:
            fields["asks"] = 1  # perhaps for an address, and ``tenant`` gets answers
        if params.tenant_counters or params.limited_tenants or params.suppresses:
            fields["tenant"] = params.tenant_bits  # of that VM
        super().__init__(fields)


class VerdictRules(wiring.Component):
    """What the end of a frame adds to the decision: errors of the frame, answers to underlay control, the MTU.

    Combinational.

    Members
    -------
    input
        The frame and its decision.
    interest
        What the host asked for.
    verdict
        The verdict.
    learn, source
        Whether the source is to be learned, and what.
    fits
        Per fabric port: it takes an IPv6 packet with the frame and what the target's encapsulation adds.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(Judged(params)),
                "interest": In(Interest(params)),
                "verdict": Out(Verdict(params)),
                "learn": Out(1),
                "source": Out(MacLearn(params)),
                "fits": In(params.fabric_ports),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        header, stored, decision = self.input.header, self.input.stored, self.input.decision
        port = self.input.port
        said, found = self.input.header_facts, self.input.decision_facts
        from_fabric = port >= params.access_ports

        drop = Signal(Drop)
        wished = Signal(Wish)
        # Where the decision's target is a remote TEP, the frame's flow tells the way.
        decided = Signal(params.ports)
        m.d.comb += decided.eq(decision.ports)
        if params.has_ways:
            way = self.input.ways[bucket(header.flow)[: ceil_log2(BUCKETS)]]
            with m.If(found.encapsulates & ~found.bad):
                m.d.comb += decided.eq(1 << (params.access_ports + way))
        edit = Signal(Edit)
        is_list = Signal()

        def becomes(reason: Drop) -> list:
            return [drop.eq(reason), Value.cast(wished).eq(wish(self.interest, reason))]

        m.d.comb += [
            drop.eq(decision.drop),
            wished.eq(self.input.decision_wish),
            edit.eq(decision.edit),
            is_list.eq(decision.is_list),
            self.learn.eq(decision.learn),
        ]
        with m.If((decision.edit == Edit.DECAP) & (header.congestion == Congestion.IPV4)):
            m.d.comb += edit.eq(Edit.DECAP_IPV4)
        with m.If((decision.edit == Edit.DECAP) & (header.congestion == Congestion.IPV6)):
            m.d.comb += edit.eq(Edit.DECAP_IPV6)
        # In reverse order of priority: what stands below overrides.
        not_group = decision.rewrites & (header.group == GroupAddress.NONE)
        misplaced = from_fabric & not_group
        with m.If(misplaced & ~found.bad):
            m.d.comb += [*becomes(Drop.MALFORMED), self.learn.eq(0)]
        too_big = found.encapsulates & (decided[params.access_ports :] & ~self.fits).any()
        with m.If(too_big & ~found.bad):
            m.d.comb += becomes(Drop.TOO_BIG)
        with m.If(said.bad & (said.foremost | ~found.unknown_tep)):
            m.d.comb += [drop.eq(header.drop), wished.eq(self.input.header_wish)]
        with m.If(said.bad):
            m.d.comb += self.learn.eq(0)
        with m.If(said.answered):
            # The TEP's own answers need no tenant and go back where the question came from.
            m.d.comb += [
                *becomes(Drop.NONE),
                self.learn.eq(0),
                is_list.eq(0),
                edit.eq(Mux(header.control == Control.ECHO, Edit.ECHO_REPLY, Edit.ADVERT)),
            ]
        no_buffer = stored.no_buffer & ~said.error
        with m.If(no_buffer):
            m.d.comb += [*becomes(Drop.NO_BUFFER), self.learn.eq(0)]

        # Whether ``drop`` is not NONE, but not by way of what it is.
        bad = said.bad | found.bad | too_big | misplaced
        dropped = Signal()
        m.d.comb += dropped.eq((bad & ~said.answered) | no_buffer)

        discovery = is_discovery(header.control)
        wanted = Signal(Wish)
        m.d.comb += wanted.eq(Mux(discovery, self.input.header_wish, wished))
        verdict = self.verdict
        descriptor = verdict.descriptor
        m.d.comb += [
            verdict.drop.eq(drop),
            verdict.port.eq(port),
            verdict.ports.eq(Mux(dropped, 0, Mux(said.answered, 1 << port, decided))),
            verdict.exclude.eq(is_list & ~from_fabric),
            verdict.length.eq(header.length),
            verdict.stored.eq(~stored.no_buffer),
            verdict.discovery.eq(discovery),
            Value.cast(verdict.wish).eq(at_port(self.interest, wanted, port)),
            descriptor.head.eq(stored.head),
            descriptor.edit.eq(edit),
            descriptor.is_list.eq(is_list),
            descriptor.target.eq(decision.target),
            descriptor.network.eq(decision.network),
            descriptor.exclude_vid.eq(header.vid),
            descriptor.group.eq(Mux(decision.rewrites, header.group, GroupAddress.NONE)),
            descriptor.group_octet.eq(header.group_octet),
            *(
                descriptor[name].eq(header[name])
                for name in ("start", "end", "tagged", "pcp_dei", "traffic_class", "flow")
            ),
            self.source.tenant.eq(decision.tenant),
            self.source.mac.eq(decision.mac),
            self.source.entry.kind.eq(Mux(from_fabric, MacKind.REMOTE, MacKind.LOCAL)),
            # Where several ways lead to a TEP, a frame that came by another one has not moved.
            self.source.entry.port.eq(Mux(from_fabric, params.access_ports, port)),
            self.source.entry.id.eq(Mux(from_fabric, decision.tep, header.vid)),
        ]
        taken = ~dropped & (header.control == Control.NONE)
        if params.tep_counters:
            m.d.comb += [verdict.from_tep.eq(taken & from_fabric), verdict.tep.eq(decision.tep)]
        if params.tenant_counters:
            m.d.comb += [
                verdict.from_vm.eq(taken & ~from_fabric),
                descriptor.tenant.eq(decision.receiver),
            ]
        if params.limited_tenants:
            m.d.comb += verdict.floods.eq(taken & ~from_fabric & decision.is_list)
        if params.suppresses:
            m.d.comb += verdict.asks.eq(decision.answers & header.asks & ~dropped)
        if params.tenant_counters or params.limited_tenants or params.suppresses:
            m.d.comb += verdict.tenant.eq(decision.tenant)
        return m
