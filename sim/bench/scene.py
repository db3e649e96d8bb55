"""The tables of the benched TEP, and the frames that its VMs and its peer send."""

from opentep.gateware.params import Params
from opentep.host.tables import (
    Local,
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Tenant,
    TepTables,
    Way,
)

from ..model import TepModel
from ..packets import ethernet, ipv4, tag, tunnel, udp
from ..wire import pad
from .load import STAMP, Variant
from .result import IMIX

__all__ = [
    "AUDIENCES",
    "FCS",
    "IMIX_SIZES",
    "LEARNED_VID",
    "SIZES",
    "Scene",
    "sizes_of",
]

SIZES = (64, 128, 256, 512, 1024, 1280, 1518)
"""RFC 2544, 9.1."""

IMIX_SIZES = (64, 594, 64, 64, 594, 64, 594, 64, 64, 594, 64, 1518)
"""Seven short, four middling, one long: what is called simple IMIX."""

AUDIENCES = (2, 8, 32)
"""VMs of the tenants for broadcast."""

FCS = 4
_TAG = 4
_OUI = 0x120001
_ADDRESS = 0xFD00_0001 << 96 | 1
_PEER = 0xFD00_0002 << 96 | 1
_FABRIC_MAC = 0x02_FF_00_00_00_01
_NEXT_HOP = 0x02_FF_00_00_00_FE
_TEP = 1
_BROADCAST = 0xFFFFFFFFFFFF
_HEADERS = 14 + 20 + 8

_LEARNER = 2
_LEARNER_OUI = 0x120002
LEARNED_VID = 10
_SINK_VID = 3000
_FLOOD_VIDS = (4000, 4001)
_AUDIENCE = 8
"""Tenant and list of the first audience."""

VMS = 4
"""VMs of the main tenant per access port, and behind the peer."""


def _local(port: int, vm: int) -> int:
    return _OUI << 24 | (port + 1) << 8 | vm


def _remote(vm: int) -> int:
    return _OUI << 24 | 0x800000 | vm


def _sink(port: int) -> int:
    return _LEARNER_OUI << 24 | 0xFFFF00 | port


def _vid(vm: int) -> int:
    return 100 + vm


def _audience_mac(audience: int, vm: int) -> int:
    return (0x120010 + audience) << 24 | vm


class Scene:
    """Main tenant with VMs on every port, tenants for broadcast, one that learns; a peer behind each fabric port."""

    def __init__(self, params: Params):
        self.params = params
        self.tables = self._tables()
        self._model = TepModel(self.tables, params)

    def _tables(self) -> TepTables:
        access = range(self.params.access_ports)
        fabric = range(self.params.access_ports, self.params.ports)
        macs = [
            MacTableEntry(1, _local(port, vm), Local(port, _vid(vm))) for port in access for vm in range(VMS)
        ]
        if fabric:
            macs += [MacTableEntry(1, _remote(vm), Remote(_TEP)) for vm in range(VMS)]
        macs += [MacTableEntry(_LEARNER, _sink(port), Local(port, _SINK_VID)) for port in access]
        tenants = [
            Tenant(1, "main", (_OUI,), flood_list=1),
            Tenant(_LEARNER, "learner", (_LEARNER_OUI,), learn_source=True, unknown_list=2, flood_list=2),
        ]
        lists = [ReplicaList(1, {}), ReplicaList(2, {0: _FLOOD_VIDS})]
        for number, vms in enumerate(AUDIENCES):
            index, members = _AUDIENCE + number, dict[int, tuple[int, ...]]()
            for vm in range(vms):
                port, vid = vm % len(access), 200 + 100 * number + vm
                macs.append(MacTableEntry(index, _audience_mac(number, vm), Local(port, vid)))
                members[port] = (*members.get(port, ()), vid)
            tenants.append(Tenant(index, f"audience{vms}", (0x120010 + number,), flood_list=index))
            lists.append(ReplicaList(index, members))
        return TepTables(
            name="bench",
            address=_ADDRESS,
            ports=(
                *(Port(f"access{port}", "access") for port in access),
                *(
                    Port(f"fabric{port - fabric.start}", "fabric", mac=_FABRIC_MAC, mtu=9216)
                    for port in fabric
                ),
            ),
            tenants=tuple(tenants),
            macs=tuple(macs),
            teps=tuple(
                RemoteTep(_TEP, "peer", _PEER, (_PEER,), (Way(port, _NEXT_HOP),)) for port in fabric[:1]
            ),
            lists=tuple(lists),
            learned_limit=min(self.params.macs, 0xFFFF),
        )

    def variant(self, name: str, port: int, frame: bytes) -> Variant:
        """``frame`` into ``port``, with the copies that the golden model has for it."""
        copies = self._model.receive(port, frame)
        return Variant(name, frame, tuple((out, pad(octets)[:-STAMP]) for out, octets in copies))

    def hairpin(self, source: int, target: int, vm: int, length: int) -> Variant:
        """From a VM on one access port to one on another (or the same), ``length`` octets with tag, without FCS."""
        sender, receiver = vm % 2, 2 + vm % 2
        frame = _frame(_local(source, sender), _local(target, receiver), length - _TAG)
        return self.variant(f"access{source} to access{target}", source, tag(frame, _vid(sender)))

    def encapsulated(self, source: int, vm: int, length: int) -> Variant:
        """From a VM to one behind the peer; ``length`` is that of the VM's frame, without tag and FCS."""
        frame = _frame(_local(source, vm), _remote(vm), length)
        return self.variant(f"access{source} to fabric", source, tag(frame, _vid(vm)))

    def decapsulated(self, target: int, vm: int, length: int) -> Variant:
        """From a VM behind the peer to one here; ``length`` as in :meth:`encapsulated`."""
        fabric = self.params.access_ports
        inner = _frame(_remote(vm), _local(target, vm), length)
        frame = tunnel(_FABRIC_MAC, _NEXT_HOP, _PEER, _ADDRESS, inner)
        return self.variant(f"fabric to access{target}", fabric, frame)

    def broadcast(self, vms: int, length: int) -> Variant:
        """From the first of ``vms`` (one of :data:`AUDIENCES`) to all others; ``length`` with tag."""
        number = AUDIENCES.index(vms)
        frame = _frame(_audience_mac(number, 0), _BROADCAST, length - _TAG)
        return self.variant(f"broadcast to {vms} VMs", 0, tag(frame, 200 + 100 * number))

    def learning(self, port: int, address: int) -> bytes:
        """A shortest frame from a new ``address`` (24 bits) of the learning tenant behind ``port``."""
        return tag(_frame(_LEARNER_OUI << 24 | address, _sink(port), 56), LEARNED_VID)

    def asking(self, address: int) -> bytes:
        """A shortest frame to ``address`` of the learning tenant."""
        return tag(_frame(_sink(0), _LEARNER_OUI << 24 | address, 56), _SINK_VID)


def _frame(src: int, dst: int, length: int) -> bytes:
    """A UDP packet in Ethernet, ``length`` octets without tag and FCS."""
    datagram = udp(49152, 7, bytes(length - _HEADERS))
    return ethernet(
        dst, src, 0x0800, ipv4(0xC6120000 | src & 0xFFFF, 0xC6130000 | dst & 0xFFFF, 17, datagram)
    )


def sizes_of(size: str) -> tuple[int, ...]:
    """The sizes that frames of a load named ``size`` have, in turn."""
    return IMIX_SIZES if size == IMIX else (int(size),)
