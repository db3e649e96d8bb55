"""The edits as data: what a port does with the octets of a stored frame.

A stored frame is a string of octets that is passed over once, from the start of the range given by the job
to its end; a program copies, skips and inserts. :func:`assemble` turns the programs of a port into
operations for the :class:`~.stepper.Stepper` and rows of literal octets for one datapath width.
"""

from dataclasses import dataclass, field, replace

from amaranth.lib import data, enum

from ..headers import ETHERTYPE_IPV6, ETHERTYPE_VLAN, OUTER_BYTES, Encapsulation, GroupAddress

__all__ = [
    "MAX_STEP",
    "AccessProgram",
    "Assembly",
    "Change",
    "Delivering",
    "Encapsulating",
    "FabricProgram",
    "Operation",
    "Register",
    "assemble",
    "program_type",
    "programs",
]


class Change(enum.Enum, shape=2):
    """What an access port changes of a frame, beside its destination and the tag that it pushes."""

    NONE = 0
    TAG = 1
    """The tag that it has goes."""
    IPV4 = 2
    """Another ECN field and header checksum."""
    IPV6 = 3
    """Another ECN field."""


class Delivering(data.Struct):
    """Parts of an :class:`AccessProgram`."""

    change: Change
    group: GroupAddress
    """The destination is this one, instead of a tenant's group address."""


class AccessProgram(enum.Enum, shape=4):
    """What an access port can do, which always pushes a tag. The bits are those of :class:`Delivering`."""

    UNTAGGED = 0
    TAGGED = 1
    IPV4 = 2
    IPV6 = 3
    NOTHING = 5
    """What would be a tagged frame from a tunnel."""
    IPV4_GROUP = 4
    IPV4_GROUP_IPV4 = 6
    IPV6_GROUP = 8
    IPV6_GROUP_IPV6 = 11
    BROADCAST = 12
    BROADCAST_IPV4 = 14
    BROADCAST_IPV6 = 15


class FabricProgram(enum.Enum, shape=5):
    """What a fabric port can do. The bits of those from ETHERNET on are those of :class:`Encapsulating`."""

    NOTHING = 0
    ECHO_REPLY = 1
    ADVERT = 2
    ADVERT_ALL = 3
    """Neighbour advertisement to all nodes, if the solicitation came from the unspecified address."""
    ETHERNET = 8
    ETHERNET_TAGGED = 9
    ETHERIP = 10
    ETHERIP_TAGGED = 11
    NVGRE = 12
    NVGRE_TAGGED = 13
    VXLAN = 14
    VXLAN_TAGGED = 15
    ETHERNET_REWRITTEN = 24
    ETHERNET_TAGGED_REWRITTEN = 25
    ETHERIP_REWRITTEN = 26
    ETHERIP_TAGGED_REWRITTEN = 27


class Encapsulating(data.Struct):
    """Parts of a :class:`FabricProgram`."""

    tagged: 1
    """The frame has a tag, which goes."""
    encapsulation: Encapsulation
    encapsulates: 1
    """0: one of the other programs."""
    rewrites: 1
    """The destination becomes a tenant's group address; only if the encapsulation names no network."""


def _encapsulate(encapsulation: Encapsulation, tagged: bool, rewrites: bool) -> FabricProgram:
    """The program for a frame with or without a tag."""
    return FabricProgram[
        encapsulation.name + ("_TAGGED" if tagged else "") + ("_REWRITTEN" if rewrites else "")
    ]


@dataclass(frozen=True)
class Register:
    """Octets that are known only when the frame is sent, as an integer with the first
    octet most significant; the cutter has them by name."""

    name: str
    octets: int


def _is_address(part: bytes | Register) -> bool:
    return part in (_MAC, _ADDRESS)


_TAG = Register("tag", 2)
_OCTET = Register("octet", 1)
_CHECKSUM = Register("checksum", 2)
_NETWORK = Register("network", 3)
_OUI = Register("oui", 3)
_GROUP_OCTET = Register("group_octet", 1)
_FLOW_ID = Register("flow_id", 1)
_UDP_PORT, _UDP_LENGTH = Register("udp_port", 2), Register("udp_length", 2)
_MAC = Register("mac", 6)
_ADDRESS = Register("address", 16)


@dataclass(frozen=True)
class Copy:
    octets: int


@dataclass(frozen=True)
class Skip:
    octets: int


@dataclass(frozen=True)
class Rest:
    """Copy all that is left of the range. Always the last step."""


@dataclass(frozen=True)
class Outer:
    """Insert the outer header of the remote TEP."""


class Insert:
    """Insert constants and registers.

    An address stands by itself in ``pieces``: it then has one alignment, and its rows serve all programs.
    """

    def __init__(self, *parts: bytes | Register):
        self.pieces: list[tuple[int | tuple[str, int], ...]] = []
        previous: bytes | Register | None = None
        for part in parts:
            if isinstance(part, Register):
                # Bit offset of every octet in the register.
                octets = tuple((part.name, 8 * index) for index in reversed(range(part.octets)))
            else:
                octets = tuple(part)
            if previous is None or _is_address(previous) or _is_address(part):
                self.pieces.append(octets)
            else:
                self.pieces[-1] += octets
            previous = part


Step = Copy | Skip | Rest | Outer | Insert

_MAC_BYTES, _TAG_BYTES, _ADDRESS_BYTES = 6, 4, 16
_ADDRESSES = 2 * _MAC_BYTES

_PUSH_TAG = Insert(ETHERTYPE_VLAN.to_bytes(2, "big"), _TAG)

# The addresses, and a destination that is restored: what is behind the OUI is right but for one octet of IP groups.
_DELIVER: dict[GroupAddress, tuple[Step, ...]] = {
    GroupAddress.NONE: (Copy(_ADDRESSES),),
    GroupAddress.IPV4: (Insert(bytes.fromhex("01005e"), _GROUP_OCTET), Skip(4), Copy(_ADDRESSES - 4)),
    GroupAddress.IPV6: (Insert(bytes.fromhex("3333"), _GROUP_OCTET), Skip(3), Copy(_ADDRESSES - 3)),
    GroupAddress.BROADCAST: (Insert(bytes.fromhex("ffffff")), Skip(3), Copy(_ADDRESSES - 3)),
}
# Up to the second octet of the packet, where both versions of IP have their ECN field.
_MARK = (Copy(3), Insert(_OCTET), Skip(1))
_CHANGE: dict[Change, tuple[Step, ...]] = {
    Change.NONE: (Rest(),),
    Change.TAG: (Skip(_TAG_BYTES), Rest()),
    Change.IPV4: (*_MARK, Copy(8), Insert(_CHECKSUM), Skip(2), Rest()),
    Change.IPV6: (*_MARK, Rest()),
}


def _deliver(program: AccessProgram) -> tuple[Step, ...]:
    if program == AccessProgram.NOTHING:
        return ()
    return (*_DELIVER[GroupAddress(program.value >> 2)], _PUSH_TAG, *_CHANGE[Change(program.value & 3)])


_ACCESS_PROGRAMS: dict[AccessProgram, tuple[Step, ...]] = {
    program: _deliver(program) for program in AccessProgram
}

# ICMPv6 neighbour advertisement (RFC 4861, 4.4) of 32 octets with hop limit 255.
_ADVERT_HEADER = Insert(
    _MAC, ETHERTYPE_IPV6.to_bytes(2, "big"), bytes((0x60, 0, 0, 0, 0, 32, 58, 255)), _ADDRESS
)


def _advert_message(flags: int) -> Insert:
    return Insert(bytes((136, 0)), _CHECKSUM, bytes((flags, 0, 0, 0)), _ADDRESS, bytes((2, 1)), _MAC)


_SOLICITED_OVERRIDE, _OVERRIDE = 0x60, 0x20

_OUTER: dict[Encapsulation, tuple[Step, ...]] = {
    Encapsulation.ETHERNET: (Outer(),),
    Encapsulation.ETHERIP: (Outer(), Insert(bytes.fromhex("3000"))),
    Encapsulation.NVGRE: (Outer(), Insert(bytes.fromhex("20006558"), _NETWORK, _FLOW_ID)),
    Encapsulation.VXLAN: (
        Outer(),
        Insert(
            *(_UDP_PORT, (4789).to_bytes(2, "big"), _UDP_LENGTH, bytes(2)),  # no checksum (RFC 6935)
            *(bytes.fromhex("08000000"), _NETWORK, bytes(1)),
        ),
    ),
}

_FABRIC_PROGRAMS: dict[FabricProgram, tuple[Step, ...]] = {
    FabricProgram.NOTHING: (),
    **{
        _encapsulate(kind, tagged, rewrites): (
            *outer,
            *(
                (Insert(_OUI, _GROUP_OCTET), Skip(4), Copy(_ADDRESSES - 4))
                if rewrites
                else (Copy(_ADDRESSES),)
            ),
            *((Skip(_TAG_BYTES), Rest()) if tagged else (Rest(),)),
        )
        for kind, outer in _OUTER.items()
        for tagged in (False, True)
        for rewrites in ((False,) if kind.has_network else (False, True))
    },
    # Answers pass over the solicitation or request from its source MAC (octet 6) on.
    FabricProgram.ECHO_REPLY: (
        Copy(_MAC_BYTES),
        Insert(_MAC),
        Copy(9),  # up to the hop limit
        Insert(bytes((64,)), _ADDRESS),
        Skip(1),
        Copy(_ADDRESS_BYTES),
        Insert(bytes((129, 0)), _CHECKSUM),  # RFC 4443, 4.2
        Skip(_ADDRESS_BYTES + 4),
        Rest(),
    ),
    FabricProgram.ADVERT: (
        Copy(_MAC_BYTES),
        _ADVERT_HEADER,
        Skip(10),
        Copy(_ADDRESS_BYTES),
        _advert_message(_SOLICITED_OVERRIDE),
    ),
    FabricProgram.ADVERT_ALL: (
        Insert(bytes.fromhex("333300000001")),
        _ADVERT_HEADER,
        Skip(_MAC_BYTES + 10 + _ADDRESS_BYTES),
        Insert(bytes.fromhex("ff02" + 13 * "00" + "01")),
        _advert_message(_OVERRIDE),
    ),
}


def program_type(fabric: bool) -> type[AccessProgram] | type[FabricProgram]:
    """Names of the programs of a fabric or access port."""
    return FabricProgram if fabric else AccessProgram


def programs(fabric: bool) -> dict:
    """The programs of a fabric or access port."""
    return _FABRIC_PROGRAMS if fabric else _ACCESS_PROGRAMS


MAX_STEP = OUTER_BYTES
"""Most octets of a step other than ``Rest``."""


@dataclass(frozen=True)
class Operation:
    """One step, as the stepper takes it."""

    memory: bool = False
    """Consumes octets of the stored frame."""
    emit: bool = False
    """Puts octets out."""
    outer: bool = False
    """They are the outer header's."""
    rest: bool = False
    """``octets`` is what is left of the range."""
    octets: int = 0
    row: int = 0
    """First row of literals."""
    drain: bool = False
    """Nothing of the stored frame is needed after it."""
    last: bool = False


@dataclass
class Assembly:
    """Programs for one datapath width."""

    operations: list[Operation] = field(default_factory=list)
    begin: dict[AccessProgram | FabricProgram, int] = field(default_factory=dict)
    """Index of each program's first operation."""
    passed: dict[AccessProgram | FabricProgram, int] = field(default_factory=dict)
    """Octets of the stored frame that each program has passed over when it comes to ``Rest``."""
    literals: list[list[int | tuple[str, int]]] = field(default_factory=list)
    """Rows of up to one word: octets, or (register, bit offset)."""
    starts: list[int] = field(default_factory=list)
    """Rows that an operation begins with."""


def assemble(programs: dict, word_bytes: int) -> Assembly:
    """Lay out ``programs`` for words of ``word_bytes`` octets; equal literals share their rows.

    ValueError if the rest of a frame would come too early: the stepper needs two
    operations to find its length.
    """
    result = Assembly()
    rows: dict[tuple, int] = {}

    def row_of(octets: tuple) -> int:
        if octets not in rows:
            rows[octets] = len(result.literals)
            result.starts.append(rows[octets])
            words = range(0, len(octets), word_bytes)
            result.literals += [list(octets[at : at + word_bytes]) for at in words]
        return rows[octets]

    for program, steps in programs.items():
        result.begin[program] = len(result.operations)
        result.passed[program] = sum(step.octets for step in steps if isinstance(step, Copy | Skip))
        operations: list[Operation] = []
        for step in steps:
            match step:
                case Copy(octets):
                    operations.append(Operation(memory=True, emit=True, octets=octets))
                case Skip(octets):
                    operations.append(Operation(memory=True, octets=octets))
                case Rest() if len(operations) < 2:
                    raise ValueError(f"{program}: fewer than two steps before the rest of the frame")
                case Rest():
                    operations.append(Operation(memory=True, emit=True, rest=True))
                case Outer():
                    operations.append(Operation(emit=True, outer=True, octets=OUTER_BYTES))
                case Insert():
                    operations += [
                        Operation(emit=True, octets=len(piece), row=row_of(piece)) for piece in step.pieces
                    ]
        uses_memory = [index for index, operation in enumerate(operations) if operation.memory]
        if uses_memory:
            operations[uses_memory[-1]] = replace(operations[uses_memory[-1]], drain=True)
        operations = operations or [Operation()]
        operations[-1] = replace(operations[-1], last=True)
        result.operations += operations
    return result
