"""Keys of all ports through the tables, one key per clock."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from ..delay import DelayLine
from ..headers import Keys
from ..params import Params
from ..retag import Retag, other_vid
from ..tables.bus import TableBus
from ..tables.mac import MacTable
from ..tables.mac_entry import MacEvent, MacLearn
from ..tables.memory import BLOCK_RAM_LATENCY, TableMemory
from .admission import Admission
from .decision import Coming, Decided, DecisionStage
from .findings import Findings
from .tables import RuleKey, TenantEntry, TenantKey, rule_geometry, source_geometry, tenant_geometry

__all__ = ["LookupPipeline"]


class LookupPipeline(wiring.Component):
    """Turns keys into decisions, in the order in which frames are admitted.

    A frame is two keys on consecutive clocks, its source and then its destination, so that each table has one
    lookup port and takes one key per clock; one frame per two clocks in all. The pipeline itself never stalls:
    a frame enters only when there is ``room`` for its decision. Nothing of a frame but its keys is needed, so
    that lookups happen while the frame is still arriving.

    Members
    -------
    keys, room, admitted, key_mask
        Of :class:`Admission`.
    retag
        Per access port, the VM that has two VLAN IDs.
    coming, decision
        Of :class:`DecisionStage`.
    learn
        Sources to learn, from the frames that turned out to be good. Each is offered for one clock; one that finds
        ``ready`` low is lost.
    refused
        Entries that found no room: those that :class:`MacTable` refused and sources that were lost.
    event, age_seconds, second
        Of :class:`MacTable`.
    learned_limit
        Its ``limit``.
    busy
        Some key or table operation is inside.
    """

    def __init__(self, params: Params):
        self.params = params
        self.tenants = tenant_geometry(params).table()
        self.sources = source_geometry(params).table()
        self.rules = rule_geometry(params).table()
        self.macs = MacTable(params)
        self.entries = TableMemory(TenantEntry, params.tenants, clear=1)
        super().__init__(
            {
                "keys": In(stream.Signature(Keys)).array(params.ports),
                "room": In(params.ports),
                "admitted": Out(params.ports),
                "key_mask": In(TenantKey).array(params.ports),
                "retag": In(Retag).array(params.access_ports),
                "coming": Out(Coming(params)),
                "decision": Out(Decided(params)),
                "learn": In(stream.Signature(MacLearn(params))),
                "seed": In(64),
                "age_seconds": In(16),
                "learned_limit": In(16, init=-1),
                "second": In(1),
                "busy": Out(1),
                "event": Out(MacEvent(params)),
                "refused": Out(range(3)),
                "tenant_slots": In(self.tenants.slots_bus.signature.flip()),
                "tenant_stash": In(self.tenants.stash_bus.signature.flip()),
                "tenant_entries": In(TableBus(TenantEntry, params.tenants)),
                "source_slots": In(self.sources.slots_bus.signature.flip()),
                "rule_slots": In(self.rules.slots_bus.signature.flip()),
                "rule_stash": In(self.rules.stash_bus.signature.flip()),
                "mac_requests": In(self.macs.bus.signature.flip()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.admission = admission = Admission(params)
        m.submodules.tenants = tenants = self.tenants
        m.submodules.sources = sources = self.sources
        m.submodules.rules = rules = self.rules
        m.submodules.macs = macs = self.macs
        m.submodules.entries = entries = self.entries
        m.submodules.stage = stage = DecisionStage(params)

        for mine, table in (
            (self.tenant_slots, tenants.slots_bus),
            (self.tenant_stash, tenants.stash_bus),
            (self.tenant_entries, entries.bus),
            (self.source_slots, sources.slots_bus),
            (self.rule_slots, rules.slots_bus),
            (self.rule_stash, rules.stash_bus),
            (self.mac_requests, macs.bus),
            (self.learn, macs.learn),
        ):
            connect(m, flipped(mine), table)
        for keys, admitted_keys in zip(self.keys, admission.keys, strict=True):
            connect(m, flipped(keys), admitted_keys)
        connect(m, stage.coming, flipped(self.coming))
        connect(m, stage.output, flipped(self.decision))

        key, frame = admission.key, admission.frame
        m.d.comb += [
            admission.room.eq(self.room),
            self.admitted.eq(admission.admitted),
            *(mine.eq(mask) for mine, mask in zip(admission.key_mask, self.key_mask, strict=True)),
            tenants.seed.eq(self.seed),
            sources.seed.eq(self.seed),
            rules.seed.eq(self.seed),
            macs.seed.eq(self.seed),
            tenants.input.valid.eq(key.valid),
            tenants.input.key.eq(key.payload.tenant),
            sources.input.valid.eq(frame.valid),
            sources.input.key.eq(frame.payload.outer_src),
            macs.age_seconds.eq(self.age_seconds),
            macs.limit.eq(self.learned_limit),
            macs.second.eq(self.second),
            self.event.eq(macs.event),
            self.refused.eq(macs.refused + (self.learn.valid & ~self.learn.ready)),
        ]

        def delayed(name: str, value, clocks: int):
            if clocks == 0:
                return value
            m.submodules[name] = line = DelayLine(value.shape() if hasattr(value, "shape") else 1, clocks)
            m.d.comb += line.input.eq(value)
            return line.output

        # The tenant found comes late in its clock; a clock later, in a register, it joins the MAC address that was
        # looked up.
        tenant_done = tenants.LATENCY
        mac_done = macs.LATENCY
        key_mac = delayed("mac_to_tenant", key.payload.mac, tenant_done + 1)
        key_group = delayed("group_to_tenant", key.payload.group, tenant_done)
        may_name = delayed("may_name_to_tenant", key.payload.may_name, tenant_done)
        found = Signal(data.StructLayout({"hit": 1, "tenant": params.tenant_bits, "rewritten": 1}))
        previous = Signal.like(found)
        m.d.sync += previous.eq(found)
        with m.If(key_group & ~(may_name & tenants.output.hit)):
            m.d.comb += [found.hit.eq(previous.hit), found.tenant.eq(previous.tenant)]
        with m.Else():
            m.d.comb += [
                found.hit.eq(tenants.output.hit),
                found.tenant.eq(tenants.output.value),
                found.rewritten.eq(key_group),
            ]
        found_valid = Signal()
        m.d.sync += found_valid.eq(tenants.output.valid)
        m.d.comb += [
            macs.input.valid.eq(found_valid),
            macs.input.key.tenant.eq(previous.tenant),
            macs.input.key.mac.eq(key_mac),
            entries.lookup.index.eq(previous.tenant),
            entries.lookup.enable.eq(found_valid),
        ]

        # Destination results come one clock behind the source's: the source waits for it in a register. Clocks
        # count from the source's key on.
        done = tenant_done + 1 + mac_done + 1
        flight = Signal(done)  # one bit per clock: which clocks carry which step of a frame
        m.d.sync += flight.eq(flight << 1 | frame.valid)

        # The rule from the source's tenant to the destination's is looked up when both are in registers.
        source_tenant = Signal(params.tenant_bits)
        pair = Signal(RuleKey(params))
        m.d.sync += source_tenant.eq(previous.tenant)
        m.d.comb += [
            pair.source.eq(source_tenant),
            pair.target.eq(previous.tenant),
            rules.input.valid.eq(flight[tenant_done + 1]),
            rules.input.key.eq(pair),
        ]

        # Two clocks before the end, time enough to find the sender's other VLAN ID: what its port says, then the ID.
        early_port = delayed("port_to_result", frame.payload.port, done - 2)
        early_vid = delayed("vid_to_result", frame.payload.vid, done - 2)
        retag = Signal(Retag)
        with m.Switch(early_port):
            for access_port, of_port in enumerate(self.retag):
                with m.Case(access_port):
                    m.d.sync += retag.eq(of_port)
            with m.Default():
                m.d.sync += retag.eq(0)
        late_port, late_vid = Signal.like(early_port), Signal(12)
        port, vid, other = Signal.like(early_port), Signal(12), Signal(12)
        m.d.sync += [
            late_port.eq(early_port),
            late_vid.eq(early_vid),
            port.eq(late_port),
            vid.eq(late_vid),
            other.eq(other_vid(retag, late_vid)),
        ]

        findings = Signal(Findings(params))
        source, destination = findings.source, findings.destination
        known = Signal(data.StructLayout({"hit": 1, "tep": ceil_log2(params.teps)}))
        m.d.comb += [known.hit.eq(sources.output.hit), known.tep.eq(sources.output.value)]
        result_found = delayed("tenant_to_result", previous, mac_done)
        entry = entries.lookup.data
        entry_done = tenant_done + 1 + BLOCK_RAM_LATENCY
        result_source = delayed("tep_to_result", known, done - sources.LATENCY)
        m.d.comb += [
            findings.port.eq(port),
            findings.vid.eq(vid),
            findings.other_vid.eq(other),
            findings.flags.eq(delayed("flags_to_result", entry.flags, done - entry_done)),
            findings.network.eq(delayed("network_to_result", entry.network, done - entry_done - 1)),
            findings.own_list.eq(
                delayed("own_list_to_result", entry.flags.flood_list | 1, done - entry_done - 1)
            ),
            findings.rewritten.eq(result_found.rewritten),
            findings.rule.eq(
                delayed("rule_to_result", rules.output.hit, done - tenant_done - 2 - rules.LATENCY)
            ),
            findings.tep_hit.eq(result_source.hit),
            findings.tep.eq(result_source.tep),
            destination.mac.eq(delayed("mac_to_result", key_mac, mac_done)),
            destination.tenant_hit.eq(result_found.hit),
            destination.tenant.eq(result_found.tenant),
            destination.hit.eq(macs.output.hit),
            Value.cast(destination.entry).eq(Value.cast(macs.output.entry)),
        ]
        m.d.sync += source.eq(destination)

        m.d.comb += [
            stage.input.valid.eq(flight[-1]),
            stage.input.findings.eq(findings),
            self.busy.eq(flight.any() | frame.valid | macs.busy),
        ]
        return m
