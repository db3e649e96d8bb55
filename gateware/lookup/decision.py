"""The forwarding rules, as far as the tables decide: made while the frame is still arriving."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..headers import GROUP_BIT, Drop, Edit
from ..params import Params
from ..tables.mac_entry import AGE_FRESH, MacKind
from .findings import Findings

__all__ = ["Coming", "Decided", "Decision", "DecisionStage"]

_CHUNK = 4
"""Bits whose comparison still fits in a clock behind the MAC table."""


class Decision(data.StructLayout):
    """What is to happen to a frame if nothing turns out to be wrong with it."""

    def __init__(self, params: Params):
        fields = {
            "drop": Drop,
            "ports": params.ports,  # where it would go out, one bit each
            "edit": Edit,
            "is_list": 1,
            "target": 12,  # as in the descriptor
            "learn": 1,  # the source is to be learned
            "tenant": params.tenant_bits,  # of the source
            "mac": 48,  # of the source
            "tep": ceil_log2(params.teps),  # that it came from (fabric ports)
            "network": 24,  # as in the descriptor
            "rewrites": 1,  # the destination is to be rewritten, or has been and is to be restored
        }
        if params.tenant_counters:
            fields["receiver"] = params.tenant_bits  # tenant of the destination
        if params.suppresses:
            fields["answers"] = 1  # to requests of the source's tenant
        super().__init__(fields)


class Coming(wiring.Signature):
    """Strobe: the decision on a frame that comes in on ``port`` follows in the next clock."""

    def __init__(self, params: Params):
        super().__init__({"valid": Out(1), "port": Out(range(max(2, params.ports)))})


class Decided(wiring.Signature):
    """The decision on a frame that comes in on ``port``; for one clock, cannot wait."""

    def __init__(self, params: Params):
        super().__init__(
            {"valid": Out(1), "port": Out(range(max(2, params.ports))), "decision": Out(Decision(params))}
        )


class DecisionStage(wiring.Component):
    """Judges one frame per clock; latency 2 clocks, never stalls.

    The order of drop reasons is the specification's; each assignment below overrides those above it, so they
    stand in reverse order of priority.

    Members
    -------
    input
        ``valid`` and what the tables found.
    coming, output
        :class:`Coming`, and one clock later :class:`Decided`.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(wiring.Signature({"valid": Out(1), "findings": Out(Findings(params))})),
                "coming": Out(Coming(params)),
                "output": Out(Decided(params)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        now = self.input.findings
        source, destination = now.source, now.destination

        # Stage 1: every comparison, each on its own.
        valid = Signal()
        late = Signal(Findings(params))  # the same frame, one clock later
        from_fabric = Signal()
        group = Signal()
        same_tenant = Signal()
        allowed = Signal()  # of the same tenant, or by a rule
        source_here = Signal()
        chunks = -(-len(self._place(destination.entry)) // _CHUNK)
        # Which parts of the destination's place are the source's, with either VLAN ID.
        at_vid, at_other_vid = Signal(chunks), Signal(chunks)
        known = Signal()  # the source's entry says already what learning would write
        m.d.sync += [
            valid.eq(self.input.valid),
            late.eq(now),
            from_fabric.eq(now.port >= params.access_ports),
            group.eq(destination.mac[GROUP_BIT]),
            same_tenant.eq(source.tenant == destination.tenant),
            allowed.eq(destination.tenant_hit & ((source.tenant == destination.tenant) | now.rule)),
            source_here.eq(self._is_here(source.entry, now, now.vid, now.other_vid)),
            at_vid.eq(self._equal_chunks(destination.entry, now.port, now.vid)),
            at_other_vid.eq(self._equal_chunks(destination.entry, now.port, now.other_vid)),
            known.eq(
                source.hit
                & (source.entry.age == AGE_FRESH)
                & (
                    self._is_here(source.entry, now, now.vid)
                    | ((source.entry.kind == MacKind.REMOTE) & (source.entry.id == now.tep) & now.tep_hit)
                )
            ),
        ]

        # Stage 2: the rules.
        made = Signal(Decision(params))
        reflected = (late.destination.entry.kind == MacKind.LOCAL) & (at_vid.all() | at_other_vid.all())
        rules = {"late": late, "group": group, "same_tenant": same_tenant, "allowed": allowed, "made": made}
        with m.If(from_fabric):
            self._from_fabric(m, **rules)
        with m.Else():
            self._from_access(m, **rules, source_here=source_here, reflected=reflected)
        m.d.comb += [
            made.tenant.eq(late.source.tenant),
            made.mac.eq(late.source.mac),
            made.tep.eq(late.tep),
            made.network.eq(late.network),
            *([made.receiver.eq(late.destination.tenant)] if params.tenant_counters else []),
            self.coming.valid.eq(valid),
            self.coming.port.eq(late.port),
        ]
        m.d.sync += [
            self.output.valid.eq(valid),
            self.output.port.eq(late.port),
            self.output.decision.eq(made),
            self.output.decision.learn.eq(made.learn & ~known),
        ]
        return m

    @staticmethod
    def _place(entry) -> Value:
        return Cat(entry.id, entry.port)

    def _is_here(self, entry, findings, *vids):
        """Whether ``entry`` names the port that the frame comes from and one of ``vids``."""
        here = Cat(Cat(vid, findings.port) == self._place(entry) for vid in vids).any()
        return (entry.kind == MacKind.LOCAL) & here

    def _equal_chunks(self, entry, port, vid) -> Value:
        """Which parts of the place of ``entry`` are those of ``port`` and ``vid``: the destination's entry comes late
        in its clock, there is no time for all of a comparison."""
        place = self._place(entry)
        differences = place ^ Cat(vid, port)
        return Cat(~differences[low : low + _CHUNK].any() for low in range(0, len(place), _CHUNK))

    def _from_access(self, m, *, late, group, same_tenant, allowed, source_here, reflected, made):
        source, destination, flags = late.source, late.destination, late.flags
        entry = destination.entry
        to_port = 1 << entry.port

        with m.If(group):
            m.d.comb += [
                made.edit.eq(Edit.RETAG),
                made.is_list.eq(1),
                made.ports.eq(-1),
                made.target.eq(self._list(destination, flags.flood_list)),
                made.rewrites.eq(flags.rewrites),
                *([made.answers.eq(flags.suppresses)] if self.params.suppresses else []),
            ]
        with m.Elif(~allowed):
            m.d.comb += made.drop.eq(Drop.POLICY)
        with m.Elif(~destination.hit):
            m.d.comb += [
                made.edit.eq(Edit.RETAG),
                made.is_list.eq(1),
                made.ports.eq(-1),
                made.target.eq(flags.unknown_list),
            ]
            with m.If(~(flags.flood_unknown & same_tenant)):
                m.d.comb += made.drop.eq(Drop.UNKNOWN_UNICAST)
        with m.Elif(entry.kind == MacKind.REMOTE):
            m.d.comb += [made.edit.eq(Edit.ENCAP), made.ports.eq(to_port), made.target.eq(entry.id)]
        with m.Else():
            m.d.comb += [made.edit.eq(Edit.RETAG), made.ports.eq(to_port), made.target.eq(entry.id)]
            with m.If(reflected):
                m.d.comb += made.drop.eq(Drop.REFLECTED)

        # Source guard: strict tenants accept only what the controller placed.
        m.d.comb += made.learn.eq(flags.learn_source & ~(source.hit & source.entry.static))
        with m.If(source.hit & source_here):
            # Known place: learning only keeps the entry from ageing out.
            pass
        with m.Elif((source.hit & source.entry.static) | ~flags.learn_source):
            m.d.comb += [made.drop.eq(Drop.SPOOFED), made.learn.eq(0)]
        with m.If(~source.tenant_hit):
            m.d.comb += [made.drop.eq(Drop.UNKNOWN_TENANT), made.learn.eq(0)]

    def _from_fabric(self, m, *, late, group, same_tenant, allowed, made):
        params = self.params
        source, destination, flags = late.source, late.destination, late.flags
        entry = destination.entry
        access_ports = (1 << params.access_ports) - 1

        m.d.comb += made.edit.eq(Edit.DECAP)
        with m.If(group):
            m.d.comb += [
                made.is_list.eq(1),
                made.ports.eq(access_ports),
                made.target.eq(self._list(destination, Mux(late.rewritten, late.own_list, flags.flood_list))),
                made.rewrites.eq(late.rewritten),
            ]
        with m.Elif(~destination.hit):
            m.d.comb += [made.is_list.eq(1), made.ports.eq(access_ports), made.target.eq(flags.unknown_list)]
            with m.If(~(flags.flood_unknown & same_tenant)):
                m.d.comb += made.drop.eq(Drop.UNKNOWN_UNICAST)
        with m.Elif(entry.kind == MacKind.LOCAL):
            m.d.comb += [made.ports.eq(1 << entry.port), made.target.eq(entry.id)]
        with m.Else():
            m.d.comb += made.drop.eq(Drop.SPLIT_HORIZON)

        m.d.comb += made.learn.eq(flags.learn_remote & ~(source.hit & source.entry.static))
        local_source = source.hit & (source.entry.kind == MacKind.LOCAL)
        with m.If(local_source & (source.entry.static | ~flags.learn_remote)):
            m.d.comb += [made.drop.eq(Drop.SPOOFED), made.learn.eq(0)]
        # A group address that was not rewritten has the tenant of its source.
        with m.If(~source.tenant_hit | ~allowed):
            m.d.comb += [made.drop.eq(Drop.POLICY), made.learn.eq(0)]
        with m.If(~destination.tenant_hit):
            m.d.comb += [made.drop.eq(Drop.UNKNOWN_TENANT), made.learn.eq(0)]
        with m.If(~late.tep_hit):
            m.d.comb += [made.drop.eq(Drop.UNKNOWN_TEP), made.learn.eq(0)]

    @staticmethod
    def _list(destination, everyone):
        """Replica list of a group address: its own, or that of all."""
        known = destination.hit & (destination.entry.kind == MacKind.GROUP)
        return Mux(known, destination.entry.id, everyone)
