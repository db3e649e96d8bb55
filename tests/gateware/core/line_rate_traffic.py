"""Traffic that loads all ports to 100 % and whose results the outputs can carry."""

import random
from dataclasses import dataclass

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

OUI = 0x020001
ADDRESS = 0xFD00_0001 << 96 | 1
PEER = 0xFD00_0002 << 96 | 1
FABRIC_MAC = 0x02_FF_00_00_00_01
NEXT_HOP = 0x02_FF_00_00_00_FE
OUTER = 54
TAG = 4
FCS = 4
WIRE_OVERHEAD = 24
LOCAL_VMS = 4
"""VMs per access port."""
SIZES = [*range(64, 1519), 9018]
MINIMUM_BURST = 300
"""Frames of 64 octets ahead of the sweep."""


@dataclass
class Scenario:
    tables: TepTables
    frames: dict[int, list[bytes]]


def local_mac(port: int, vm: int) -> int:
    return OUI << 24 | (port + 1) << 8 | vm


def remote_mac(vm: int) -> int:
    return OUI << 24 | 0x800000 | vm


def vid(vm: int) -> int:
    return 100 + vm


def tables(params: Params) -> TepTables:
    access = range(params.access_ports)
    fabric = range(params.access_ports, params.ports)
    return TepTables(
        name="line-rate",
        address=ADDRESS,
        ports=(
            *(Port(f"a{port}", "access") for port in access),
            *(Port(f"f{port}", "fabric", mac=FABRIC_MAC, mtu=9100) for port in fabric),
        ),
        tenants=(Tenant(3, "red", (OUI,), flood_list=5),),
        macs=(
            *(
                MacTableEntry(3, local_mac(port, vm), Local(port, vid(vm)))
                for port in access
                for vm in range(LOCAL_VMS)
            ),
            *(MacTableEntry(3, remote_mac(vm), Remote(2)) for vm in range(LOCAL_VMS)),
        ),
        teps=(RemoteTep(2, "peer", PEER, (PEER,), (Way(params.access_ports, NEXT_HOP),)),),
        lists=(ReplicaList(5, {}),),
    )


def _mac(value: int) -> bytes:
    return value.to_bytes(6, "big")


def _tagged(src: int, dst: int, tag: int, size: int, rng: random.Random) -> bytes:
    """An access frame of ``size`` octets on the wire."""
    frame = _mac(dst) + _mac(src) + b"\x81\x00" + tag.to_bytes(2, "big") + b"\x88\xb5"
    return frame + rng.randbytes(size - FCS - len(frame))


def _tunnelled(src: int, dst: int, size: int, rng: random.Random) -> bytes:
    """A fabric frame of ``size`` octets on the wire (at least 118: a minimum inner frame without tag)."""
    inner = _mac(dst) + _mac(src) + b"\x88\xb5"
    inner += rng.randbytes(size - FCS - OUTER - len(inner))
    outer = _mac(FABRIC_MAC) + _mac(NEXT_HOP) + b"\x86\xdd" + (6 << 28 | 0x12345).to_bytes(4, "big")
    outer += (
        len(inner).to_bytes(2, "big")
        + bytes((143, 64))
        + PEER.to_bytes(16, "big")
        + ADDRESS.to_bytes(16, "big")
    )
    return outer + inner


def _sizes(params: Params, port: int) -> list[int]:
    """The sweep, shared out among the access ports; each starts with minimum frames."""
    return [64] * MINIMUM_BURST + SIZES[port :: params.access_ports]


def hairpin(params: Params, rng: random.Random) -> Scenario:
    """Access to access at 100 %, while the fabric ports bring frames of 100 % for somebody else."""
    frames = {}
    for port in range(params.access_ports):
        to = (port + 1) % params.access_ports
        frames[port] = [
            _tagged(local_mac(port, n % 2), local_mac(to, 2 + n % 2), vid(n % 2), size, rng)
            for n, size in enumerate(_sizes(params, port))
        ]
    octets = max(sum(map(len, sent)) for sent in frames.values())
    for port in range(params.access_ports, params.ports):
        frames[port] = []
        while octets > sum(map(len, frames[port])):
            frames[port].append(_mac(NEXT_HOP) + _mac(FABRIC_MAC) + b"\x86\xdd" + rng.randbytes(46))
    return Scenario(tables(params), frames)


def tunnel(params: Params, rng: random.Random) -> Scenario:
    """Both directions at once: fabric ports bring 100 % for local VMs; access ports bring 100 %, of which as much as
    the grown frames leave room for on the fabric goes there and the rest is dropped (unknown unicast)."""
    frames: dict[int, list[bytes]] = {}
    for port in range(params.access_ports):
        frames[port] = []
        room = 0
        for n, size in enumerate(_sizes(params, port)):
            room += size - FCS + WIRE_OVERHEAD
            grown = size - FCS - TAG + OUTER + WIRE_OVERHEAD
            known = room >= grown * params.access_ports
            if known:
                room -= grown * params.access_ports
            dst = remote_mac(n % LOCAL_VMS if known else 0x7000 + n)
            frames[port].append(_tagged(local_mac(port, n % LOCAL_VMS), dst, vid(n % LOCAL_VMS), size, rng))
    octets = max(sum(map(len, sent)) for sent in frames.values())
    for port in range(params.access_ports, params.ports):
        frames[port] = []
        sweep = [118] * MINIMUM_BURST + [size for size in SIZES[:: params.access_ports] if size >= 118]
        for n, size in enumerate(sweep):
            to = n % params.access_ports
            frames[port].append(
                _tunnelled(remote_mac(n % LOCAL_VMS), local_mac(to, n % LOCAL_VMS), size, rng)
            )
            if sum(map(len, frames[port])) > octets:
                break
    return Scenario(tables(params), frames)


def trunk(params: Params, rng: random.Random) -> Scenario:
    """For one wire that is access and fabric port, frame by frame in turn: what one of a pair grows by in the tunnel
    the other, which is as long as the first one gets, shrinks by outside it. So as much leaves as comes."""
    sizes = [64] * 20 + SIZES
    vms = [n % LOCAL_VMS for n in range(len(sizes))]
    return Scenario(
        tables(params),
        {
            0: [
                _tagged(local_mac(0, vm), remote_mac(vm), vid(vm), size, rng)
                for vm, size in zip(vms, sizes, strict=True)
            ],
            1: [
                _tunnelled(remote_mac(vm), local_mac(0, vm), size - TAG + OUTER, rng)
                for vm, size in zip(vms, sizes, strict=True)
            ],
        },
    )


def scenario(name: str, params: Params, rng: random.Random) -> Scenario:
    return {"hairpin": hairpin, "tunnel": tunnel, "trunk": trunk}[name](params, rng)
