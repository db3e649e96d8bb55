"""Proof of the rules that keep tenants apart, for all findings and all frames."""

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In
from opentep.gateware.headers import (
    ACCESS_DROPS,
    ACCESS_PARSER_DROPS,
    FABRIC_DROPS,
    FABRIC_PARSER_DROPS,
    Control,
    Drop,
    Header,
    Stored,
)
from opentep.gateware.lookup.decision import DecisionStage
from opentep.gateware.lookup.findings import Findings
from opentep.gateware.lookup.verdict import VerdictRules, decision_facts, header_facts
from opentep.gateware.params import Params
from opentep.gateware.tables.mac_entry import MacKind
from opentep.sim.formal import ProofError, prove

PARAMS = Params(
    access_ports=2, fabric_ports=1, tenants=16, macs=64, teps=16, lists=16, members=16, known_addresses=16
)
ACCESS = (1 << PARAMS.access_ports) - 1
DEPTH = 5
"""Two clocks of latency, and what is before and behind a frame."""


class IsolationContract(Component):
    """Who gets a frame was allowed to: whatever the tables found, and whatever the parser says of the frame.

    ``rules_count=False`` claims more than is true, to see that the solver finds it out.
    """

    def __init__(self, rules_count: bool = True):
        self.rules_count = rules_count
        super().__init__(
            {
                "valid": In(1),
                "findings": In(Findings(PARAMS)),
                "header": In(Header(PARAMS)),
                "stored": In(Stored(PARAMS)),
                "fits": In(PARAMS.fabric_ports),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.stage = stage = DecisionStage(PARAMS)
        m.submodules.rules = rules = VerdictRules(PARAMS)
        m.d.comb += [
            stage.input.valid.eq(self.valid),
            stage.input.findings.eq(self.findings),
            rules.input.port.eq(stage.output.port),
            rules.input.decision.eq(stage.output.decision),
            rules.input.header.eq(self.header),
            rules.input.stored.eq(self.stored),
            Value.cast(rules.input.decision_facts).eq(decision_facts(stage.output.decision)),
            Value.cast(rules.input.header_facts).eq(header_facts(self.header)),
            rules.fits.eq(self.fits),
        ]
        # What the decision at the output was made of.
        before, found = Signal(Findings(PARAMS)), Signal(Findings(PARAMS))
        m.d.sync += [before.eq(self.findings), found.eq(before)]
        source, destination = found.source, found.destination
        given = self.findings
        group = destination.mac[40]
        m.d.comb += [
            Assume(given.port < PARAMS.ports),
            # The pipeline gives a group address its sender's tenant, but for one of the fabric that was rewritten and
            # names its own, and knows places only of what it found.
            Assume(
                ~given.destination.mac[40]
                | (given.rewritten & (given.port >= PARAMS.access_ports))
                | (
                    (given.destination.tenant == given.source.tenant)
                    & (given.destination.tenant_hit == given.source.tenant_hit)
                )
            ),
            *(
                Assume((who.entry.kind != MacKind.LOCAL) | (who.entry.port < PARAMS.access_ports))
                for who in (given.source, given.destination)
            ),
        ]

        verdict = rules.verdict
        from_fabric = found.port >= PARAMS.access_ports
        delivered = Signal()
        m.d.comb += delivered.eq(
            stage.output.valid & verdict.ports.any() & (self.header.control == Control.NONE)
        )
        allowed = source.tenant == destination.tenant
        if self.rules_count:
            allowed |= found.rule
        entry = destination.entry
        here = (
            (source.entry.kind == MacKind.LOCAL)
            & (source.entry.port == found.port)
            & ((source.entry.id == found.vid) | (source.entry.id == found.other_vid))
        )
        for role, parser_drops, drops in (
            (~from_fabric, ACCESS_PARSER_DROPS, ACCESS_DROPS),
            (from_fabric, FABRIC_PARSER_DROPS, FABRIC_DROPS),
        ):
            # If the parser says only what it can say, nothing else comes of it than what is counted.
            with m.If(stage.output.valid & role & _is_one_of(self.header.drop, parser_drops)):
                m.d.comb += Assert(_is_one_of(verdict.drop, drops))
        m.d.comb += [
            Assert((verdict.drop == Drop.NONE) | ~verdict.ports.any()),
            Cover(delivered & from_fabric & ~group & ~verdict.descriptor.is_list),
            Cover(delivered & ~from_fabric & group),
            Cover(delivered & from_fabric & group & (source.tenant != destination.tenant)),
            Cover(delivered & verdict.asks),
            Cover(delivered & ~from_fabric & (source.tenant != destination.tenant)),
        ]
        with m.If(delivered & verdict.asks):
            # Whoever gets an answer is a VM in its place (below), and it is the answer of its own tenant.
            m.d.comb += [
                Assert(~from_fabric & group & found.flags.suppresses),
                Assert(verdict.tenant == source.tenant),
            ]
        with m.If(delivered):
            m.d.comb += [
                Assert(self.header.drop == Drop.NONE),
                Assert(source.tenant_hit & destination.tenant_hit),
                Assert(allowed),
                # A frame from the fabric never returns there, and comes from a known TEP.
                Assert(~from_fabric | (found.tep_hit & ((verdict.ports & ~ACCESS) == 0))),
                # Nobody sends from another's place.
                Assert(
                    from_fabric
                    | (source.hit & here)
                    | (found.flags.learn_source & ~(source.hit & source.entry.static))
                ),
            ]
            with m.If(~group & ~verdict.descriptor.is_list):
                # It goes to where the entry of its own tenant says, and nowhere else.
                m.d.comb += [
                    Assert(destination.hit),
                    Assert(verdict.descriptor.target == entry.id),
                    Assert(verdict.ports == (1 << entry.port)[: PARAMS.ports]),
                ]
            with m.If(~group & verdict.descriptor.is_list):
                m.d.comb += [
                    Assert(~destination.hit & found.flags.flood_unknown),
                    Assert(source.tenant == destination.tenant),
                    Assert(verdict.descriptor.target == found.flags.unknown_list),
                ]
            with m.If(group):
                # To the list of the address, else to that of all; of a rewritten one to the tenant's own list.
                everyone = Mux(from_fabric & found.rewritten, found.own_list, found.flags.flood_list)
                known = destination.hit & (entry.kind == MacKind.GROUP)
                m.d.comb += [
                    Assert(verdict.descriptor.is_list),
                    Assert(verdict.descriptor.target == Mux(known, entry.id, everyone)),
                ]
        return m


def _is_one_of(drop, drops):
    """None, or one of ``drops``."""
    return Value.cast(drop).matches(*(one.value for one in (Drop.NONE, *drops)))


def test_isolation():
    prove(IsolationContract(), depth=DEPTH)
    prove(IsolationContract(), depth=DEPTH, mode="cover")


def test_isolation_without_rules_is_no_theorem():
    with pytest.raises(ProofError, match="Assert failed"):
        prove(IsolationContract(rules_count=False), depth=DEPTH)
