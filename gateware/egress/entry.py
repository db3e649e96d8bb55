"""What an egress port keeps of a descriptor, and what it makes of it."""

from amaranth.hdl import Module, Mux, ValueLike
from amaranth.lib import data
from amaranth.utils import ceil_log2

from ..headers import UNSPECIFIED_BIT, Descriptor, Edit, GroupAddress
from ..params import CELL_BYTES, Params
from .program import Change, Delivering, Encapsulating, FabricProgram, program_type

__all__ = ["CONTROL_BYTES", "CONTROL_START", "Entry", "Job", "admit", "variables"]

CONTROL_START = 6
"""First octet of a stored frame that an answer to it uses: its source MAC."""
CONTROL_BYTES = 38
"""Behind the last octet that a neighbour advertisement takes from a solicitation: the IPv6 source address."""


_DETAIL = data.UnionLayout(
    {
        "sender": data.StructLayout({"exclude": 1, "exclude_vid": 12}),  # frames from access ports
        "packet": data.StructLayout({"octet": 8, "checksum": 16}),  # changes IPV4 and IPV6
    }
)


def variables(fabric: bool) -> data.StructLayout:
    """What of a frame's own is inserted by programs of a fabric or access port (see :class:`.program.Register`)."""
    if fabric:
        return data.StructLayout({"flow": 16, "network": 24, "oui": 24, "group_octet": 8})
    return data.StructLayout({"tag": 16, "octet": 8, "checksum": 16, "group_octet": 8})


class Entry(data.StructLayout):
    """An entry of the queue of ``port``: a :class:`Descriptor` reduced to what this role of port can use.

    Octets ``start`` to ``end`` of the stored frame are read, ``program`` says what becomes of them. On a list
    entry ``target`` is the list. On fabric ports, its destination may be rewritten if the program says so: members
    tell.
    """

    def __init__(self, params: Params, port: int):
        list_bits = ceil_log2(params.lists)
        fields = {
            "head": params.cell_bits,
            "start": ceil_log2(CELL_BYTES),
            "end": 14,
            "program": program_type(params.is_fabric(port)),
            "is_list": 1,
            "group_octet": 8,
        }
        if params.is_fabric(port):
            fields |= {
                "target": max(list_bits, ceil_log2(params.teps)),
                "port": range(params.access_ports),
                "traffic_class": 8,
                "flow": 20,
                "network": 24,
            }
        else:
            fields |= {"target": max(list_bits, 12), "pcp_dei": 4, "detail": _DETAIL}
            if params.tenant_counters:
                fields["tenant"] = params.tenant_bits
        super().__init__(fields)


class Job(data.StructLayout):
    """One frame to send, or with program NOTHING none.

    ``release``  the reference to ``head`` is not needed any more when this job is done.
    ``keep``     the host gets it then (fabric ports).
    ``tag``      the 802.1Q tag control information to push (access ports).
    ``octet``, ``checksum``
                 of the packet, in programs that change it (access ports).
    ``tep``, ``traffic_class``, ``flow``, ``network``
                 what the outer headers say (fabric ports). For answers ``flow`` holds the checksum in its low
                 16 bits.
    ``sid_function``
                 the outer destination ends with ``network``.
    ``oui``      what the destination begins with if the program rewrites it (fabric ports).
    ``group_octet``
                 an octet of the destination that the program rewrites or restores.
    ``tenant``   gets the frame (access ports, if the core counts by tenant).
    """

    def __init__(self, params: Params, port: int):
        fields = {
            "head": params.cell_bits,
            "start": ceil_log2(CELL_BYTES),
            "end": 14,
            "program": program_type(params.is_fabric(port)),
            "release": 1,
            "group_octet": 8,
        }
        if params.is_fabric(port):
            fields |= {
                "keep": 1,
                "tep": ceil_log2(params.teps),
                "traffic_class": 8,
                "flow": 20,
                "network": 24,
                "sid_function": 1,
                "oui": 24,
            }
        else:
            fields |= {"tag": 16, "octet": 8, "checksum": 16}
            if params.tenant_counters:
                fields["tenant"] = params.tenant_bits
        super().__init__(fields)


def admit(m: Module, params: Params, port: int, entry: ValueLike, descriptor: ValueLike) -> None:
    """Make ``entry`` of ``descriptor``, combinationally; ``port`` selects the role."""
    entry = data.View(Entry(params, port), entry)
    descriptor = data.View(Descriptor(params), descriptor)
    for name in entry.shape().members:
        if name in descriptor.shape().members:
            m.d.comb += entry[name].eq(descriptor[name])
    if not params.is_fabric(port):
        _admit_access(m, entry, descriptor)
        return
    with m.If(descriptor.is_list | (descriptor.edit == Edit.ENCAP)):
        # Whatever the encapsulation is: the replicator knows by the TEP.
        rewrites = descriptor.is_list & (descriptor.group != GroupAddress.NONE)
        program = data.View(Encapsulating, entry.program)
        m.d.comb += [
            program.encapsulates.eq(1),
            program.tagged.eq(descriptor.tagged),
            program.rewrites.eq(rewrites),
            entry.target.eq(descriptor.target | rewrites),
        ]
    with m.Elif(descriptor.edit == Edit.ECHO_REPLY):
        m.d.comb += [entry.program.eq(FabricProgram.ECHO_REPLY), entry.start.eq(CONTROL_START)]
    with m.Else():
        m.d.comb += [
            entry.program.eq(
                Mux(descriptor.flow[UNSPECIFIED_BIT], FabricProgram.ADVERT_ALL, FabricProgram.ADVERT)
            ),
            entry.start.eq(CONTROL_START),
            entry.end.eq(CONTROL_BYTES),
        ]


def _admit_access(m: Module, entry: data.View, descriptor: data.View) -> None:
    sender, packet = entry.detail.sender, entry.detail.packet
    program = data.View(Delivering, entry.program)
    with m.If(descriptor.edit != Edit.RETAG):
        m.d.comb += program.group.eq(descriptor.group)
    with m.Switch(descriptor.edit):
        for edit, change in ((Edit.DECAP_IPV4, Change.IPV4), (Edit.DECAP_IPV6, Change.IPV6)):
            with m.Case(edit):
                m.d.comb += [
                    program.change.eq(change),
                    packet.octet.eq(descriptor.traffic_class),
                    packet.checksum.eq(descriptor.flow),
                ]
        with m.Default():
            tagged = descriptor.tagged & (descriptor.edit == Edit.RETAG)
            m.d.comb += [
                program.change.eq(Mux(tagged, Change.TAG, Change.NONE)),
                sender.exclude.eq(descriptor.exclude),
                sender.exclude_vid.eq(descriptor.exclude_vid),
            ]
