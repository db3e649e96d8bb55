"""A small TEP that the model's unit tests share: two racks' worth of VMs of two tenants."""

import pytest
from opentep.host.tables import (
    Group,
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

OWN = 0x20010DB8_00000000_00000000_00000001
FAR = 0x20010DB8_00000000_00000000_00000002
OTHER = 0x20010DB8_00000000_00000000_00000003


@pytest.fixture
def tables() -> TepTables:
    """Red (a2…): VMs 1, 2 on port 0, 3 on port 1, 4 far, a group of 1 and 4. Blue (b2…): 1 here, 2 far."""
    return TepTables(
        name="rack1",
        address=OWN,
        ports=(
            Port("server0", "access"),
            Port("server1", "access", native_vid=30),
            Port("fabric", "fabric", mac=0x020000000F01, mtu=1500),
        ),
        tenants=(
            Tenant(5, "red", (0xA20001, 0xA20101), unknown_list=1, flood_list=1),
            Tenant(6, "blue", (0xB20001,), flood_list=2),
        ),
        macs=(
            MacTableEntry(5, 0xA20001000001, Local(0, 10)),
            MacTableEntry(5, 0xA20001000002, Local(0, 20)),
            MacTableEntry(5, 0xA20001000003, Local(1, 30)),
            MacTableEntry(5, 0xA20101000004, Remote(7)),
            MacTableEntry(5, 0x01005E000009, Group(3)),
            MacTableEntry(6, 0xB20001000001, Local(0, 11)),
            MacTableEntry(6, 0xB20001000002, Remote(8)),
        ),
        teps=(
            RemoteTep(7, "rack2", FAR, (FAR,), (Way(2, 0x020000000AAA),)),
            # Like a Linux kernel: receives at a SID, sends from another address.
            RemoteTep(8, "kernel", OTHER, (OTHER + 0x100,), (Way(2, 0x020000000BBB),), hop_limit=9),
        ),
        lists=(
            ReplicaList(1, {0: (10, 20), 1: (30,), 2: (7,)}),
            ReplicaList(2, {0: (11,), 2: (8,)}),
            ReplicaList(3, {0: (10,), 2: (7,)}),
        ),
    )
