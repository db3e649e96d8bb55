"""The forwarding rules: from what the tables found to what happens to the frame."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..headers import Control, Descriptor, Drop, Edit
from ..params import Params
from ..tables.mac_entry import AGE_FRESH, MacKind, MacLearn
from .context import Findings

__all__ = ["Verdict", "VerdictStage"]

_IPV6_HEADER_BYTES = 40
_TAG_BYTES = 4
_GROUP_BIT = 40
"""I/G bit of a MAC address whose first octet is most significant."""


class Verdict(data.StructLayout):
    """Where a frame goes. ``drop`` other than NONE means nowhere; ``ports`` is then 0."""

    def __init__(self, params: Params):
        super().__init__(
            {
                "drop": Drop,
                "port": range(max(2, params.ports)),  # it came in on
                "ports": params.ports,  # it goes out on, one bit each
                "descriptor": Descriptor(params),  # the same for all ports, ``exclude`` left 0
                "exclude": 1,  # set ``exclude`` in the descriptor for the ingress port
            }
        )


class VerdictStage(wiring.Component):
    """Judges one frame per clock; latency 2 clocks, never stalls.

    The order of drop reasons is the specification's; each assignment below overrides those above it, so they
    stand in reverse order of priority.

    ``mtu`` is the largest IPv6 packet that each fabric port takes, in octets.
    """

    def __init__(self, params: Params):
        self.params = params
        super().__init__(
            {
                "input": In(wiring.Signature({"valid": Out(1), "findings": Out(Findings(params))})),
                "output": Out(wiring.Signature({"valid": Out(1), "verdict": Out(Verdict(params))})),
                "learn": Out(wiring.Signature({"valid": Out(1), "source": Out(MacLearn(params))})),
                "mtu": In(14).array(params.fabric_ports),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self.params
        now = self.input.findings
        context, source, destination = now.context, now.source, now.destination

        # Stage 1: every comparison, each on its own.
        valid = Signal()
        late = Signal(Findings(params))  # the same frame, one clock later
        group = Signal()
        same_tenant = Signal()
        source_here = Signal()
        reflected = Signal()
        known = Signal()  # the source's entry says already what learning would write
        fits = Signal(params.fabric_ports)
        inner_length = context.end - context.start - Mux(context.tagged, _TAG_BYTES, 0)
        m.d.sync += [
            valid.eq(self.input.valid),
            late.eq(now),
            group.eq(destination.mac[_GROUP_BIT]),
            same_tenant.eq(destination.tenant_hit & (source.tenant == destination.tenant)),
            source_here.eq(self._is_here(source.entry, context)),
            reflected.eq(self._is_here(destination.entry, context)),
            known.eq(
                source.hit
                & (source.entry.age == AGE_FRESH)
                & (
                    self._is_here(source.entry, context)
                    | ((source.entry.kind == MacKind.REMOTE) & (source.entry.id == now.tep) & now.tep_hit)
                )
            ),
            *(
                fits[index].eq(inner_length + _IPV6_HEADER_BYTES <= self.mtu[index])
                for index in range(params.fabric_ports)
            ),
        ]

        # Stage 2: the rules.
        drop = Signal(Drop)
        ports = Signal(params.ports)
        edit = Signal(Edit)
        is_list = Signal()
        target = Signal(12)
        learn = Signal()
        rules = {
            "late": late,
            "group": group,
            "same_tenant": same_tenant,
            "drop": drop,
            "ports": ports,
            "edit": edit,
            "is_list": is_list,
            "target": target,
            "learn": learn,
        }
        from_fabric = Signal()
        m.d.comb += from_fabric.eq(late.context.port >= params.access_ports)
        with m.If(from_fabric):
            self._from_fabric(m, **rules)
        with m.Else():
            self._from_access(m, **rules, source_here=source_here, reflected=reflected, fits=fits)
        with m.If(late.context.stored.no_buffer & (late.context.drop != Drop.RX_ERROR)):
            m.d.comb += [drop.eq(Drop.NO_BUFFER), learn.eq(0)]

        verdict = self.output.verdict
        descriptor = verdict.descriptor
        m.d.sync += [
            self.output.valid.eq(valid),
            verdict.drop.eq(drop),
            verdict.port.eq(late.context.port),
            verdict.ports.eq(Mux(drop == Drop.NONE, ports, 0)),
            verdict.exclude.eq(is_list & ~from_fabric),
            descriptor.head.eq(late.context.stored.head),
            descriptor.start.eq(late.context.start),
            descriptor.end.eq(late.context.end),
            descriptor.edit.eq(edit),
            descriptor.is_list.eq(is_list),
            descriptor.target.eq(target),
            descriptor.tagged.eq(late.context.tagged),
            descriptor.pcp_dei.eq(late.context.pcp_dei),
            descriptor.exclude_vid.eq(late.context.vid),
            descriptor.traffic_class.eq(late.context.traffic_class),
            descriptor.flow.eq(late.context.flow),
            self.learn.valid.eq(valid & learn & ~known),
            self.learn.source.tenant.eq(late.source.tenant),
            self.learn.source.mac.eq(late.source.mac),
            self.learn.source.entry.kind.eq(Mux(from_fabric, MacKind.REMOTE, MacKind.LOCAL)),
            self.learn.source.entry.port.eq(late.context.port),
            self.learn.source.entry.id.eq(Mux(from_fabric, late.tep, late.context.vid)),
        ]
        return m

    @staticmethod
    def _is_here(entry, context):
        """Whether ``entry`` names the port and VLAN that the frame came from."""
        here = Cat(context.vid, context.port)
        place = Cat(entry.id, entry.port)
        return (entry.kind == MacKind.LOCAL) & (here == place)

    def _from_access(
        self,
        m,
        *,
        late,
        group,
        same_tenant,
        source_here,
        reflected,
        fits,
        drop,
        ports,
        edit,
        is_list,
        target,
        learn,
    ):
        params = self.params
        source, destination, context, flags = late.source, late.destination, late.context, late.flags
        entry = destination.entry
        to_port = Signal(params.ports)
        fitting = Signal()
        m.d.comb += [
            to_port.eq(1 << entry.port),
            fitting.eq(Array([*[Const(1)] * params.access_ports, *fits])[entry.port]),
        ]

        with m.If(group):
            m.d.comb += [
                edit.eq(Edit.RETAG),
                is_list.eq(1),
                ports.eq(-1),
                target.eq(self._list(destination, flags)),
            ]
        with m.Elif(~same_tenant):
            m.d.comb += drop.eq(Drop.POLICY)
        with m.Elif(~destination.hit):
            m.d.comb += [edit.eq(Edit.RETAG), is_list.eq(1), ports.eq(-1), target.eq(flags.flood_list)]
            with m.If(~flags.flood_unknown):
                m.d.comb += drop.eq(Drop.UNKNOWN_UNICAST)
        with m.Elif(entry.kind == MacKind.REMOTE):
            m.d.comb += [edit.eq(Edit.ENCAP), ports.eq(to_port), target.eq(entry.id)]
            with m.If(~fitting):
                m.d.comb += drop.eq(Drop.TOO_BIG)
        with m.Else():
            m.d.comb += [edit.eq(Edit.RETAG), ports.eq(to_port), target.eq(entry.id)]
            with m.If(reflected):
                m.d.comb += drop.eq(Drop.REFLECTED)

        # Source guard: strict tenants accept only what the controller placed.
        m.d.comb += learn.eq(flags.learn_source & ~(source.hit & source.entry.static))
        with m.If(source.hit & source_here):
            # Known place: learning only keeps the entry from ageing out.
            pass
        with m.Elif((source.hit & source.entry.static) | ~flags.learn_source):
            m.d.comb += [drop.eq(Drop.SPOOFED), learn.eq(0)]
        with m.If(~source.tenant_hit):
            m.d.comb += [drop.eq(Drop.UNKNOWN_TENANT), learn.eq(0)]
        with m.If(context.drop != Drop.NONE):
            m.d.comb += [drop.eq(context.drop), learn.eq(0)]

    def _from_fabric(self, m, *, late, group, same_tenant, drop, ports, edit, is_list, target, learn):
        params = self.params
        source, destination, context, flags = late.source, late.destination, late.context, late.flags
        entry = destination.entry
        access_ports = (1 << params.access_ports) - 1

        m.d.comb += edit.eq(Edit.DECAP)
        with m.If(group):
            m.d.comb += [is_list.eq(1), ports.eq(access_ports), target.eq(self._list(destination, flags))]
        with m.Elif(~destination.hit):
            m.d.comb += [is_list.eq(1), ports.eq(access_ports), target.eq(flags.flood_list)]
            with m.If(~flags.flood_unknown):
                m.d.comb += drop.eq(Drop.UNKNOWN_UNICAST)
        with m.Elif(entry.kind == MacKind.LOCAL):
            m.d.comb += [ports.eq(1 << entry.port), target.eq(entry.id)]
        with m.Else():
            m.d.comb += drop.eq(Drop.SPLIT_HORIZON)

        m.d.comb += learn.eq(flags.learn_remote & ~(source.hit & source.entry.static))
        local_source = source.hit & (source.entry.kind == MacKind.LOCAL)
        with m.If(local_source & (source.entry.static | ~flags.learn_remote)):
            m.d.comb += [drop.eq(Drop.SPOOFED), learn.eq(0)]
        with m.If(group & ~source.tenant_hit):
            m.d.comb += [drop.eq(Drop.UNKNOWN_TENANT), learn.eq(0)]
        with m.If(~group & (~source.tenant_hit | ~same_tenant)):
            m.d.comb += [drop.eq(Drop.POLICY), learn.eq(0)]
        with m.If(~group & ~destination.tenant_hit):
            m.d.comb += [drop.eq(Drop.UNKNOWN_TENANT), learn.eq(0)]
        with m.If(context.drop != Drop.NONE):
            m.d.comb += [drop.eq(context.drop), learn.eq(0)]
        with m.If(~late.tep_hit):
            m.d.comb += [drop.eq(Drop.UNKNOWN_TEP), learn.eq(0)]
        with m.If((context.drop == Drop.RX_ERROR) | (context.drop == Drop.NOT_MINE)):
            m.d.comb += [drop.eq(context.drop), learn.eq(0)]
        with m.If((context.control != Control.NONE) & (context.drop == Drop.NONE)):
            # The TEP's own answers need no tenant and go back where the question came from.
            m.d.comb += [
                drop.eq(Drop.NONE),
                learn.eq(0),
                is_list.eq(0),
                ports.eq(1 << context.port),
                edit.eq(Mux(context.control == Control.ECHO, Edit.ECHO_REPLY, Edit.ADVERT)),
            ]

    @staticmethod
    def _list(destination, flags):
        """Replica list of a group address: its own, or the tenant's flood list."""
        known = destination.hit & (destination.entry.kind == MacKind.GROUP)
        return Mux(known, destination.entry.id, flags.flood_list)
