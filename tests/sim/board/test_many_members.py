"""A broadcast to every VLAN ID that there is behind one port, and to all TEPs: as fast as the wire goes."""

from dataclasses import replace
from itertools import pairwise

import pytest
from opentep.gateware.headers import Encapsulation
from opentep.gateware.params import Params
from opentep.host.driver import Driver
from opentep.host.registers import RegisterAccess
from opentep.host.tables import (
    Local,
    MacTableEntry,
    Port,
    RemoteTep,
    ReplicaList,
    Rewritten,
    Tenant,
    TepTables,
    Way,
)
from opentep.sim.board import Received, VirtualBoard
from opentep.sim.packets import ethernet, tag

VIDS = range(1, 4095)
OUI, SENDER = 0x120001, 2000
OCTET_NS = 8
MINIMUM = 84 * OCTET_NS
"""A minimum frame with preamble and gap, at 1 Gb/s."""
TABLES = TepTables(
    name="rack",
    address=1,
    ports=(Port("server", "access"), Port("fabric", "fabric", mac=2)),
    tenants=(Tenant(0, "red", (OUI,), flood_list=0),),
    macs=(MacTableEntry(0, OUI << 24 | SENDER, Local(0, SENDER)),),
    lists=(ReplicaList(0, {0: tuple(VIDS)}),),
)


@pytest.mark.long
def test_a_broadcast_to_4093_vms_leaves_without_a_gap() -> None:
    frame = ethernet(0xFFFFFFFFFFFF, OUI << 24 | SENDER, 0x88B5, bytes(42))
    with VirtualBoard(Params(members=4096)) as board:
        Driver(RegisterAccess(board.link_client())).apply(TABLES)
        for _ in range(2):
            board.send(0, tag(frame, SENDER))
        board.run_until_idle()
        copies = board.received(0)
    vids = [int.from_bytes(copy.frame[14:16], "big") for copy in copies]
    receivers = [vid for vid in VIDS if vid != SENDER]
    assert vids == 2 * receivers
    assert {copy.frame[:12] + copy.frame[16:] for copy in copies} == {frame}
    assert set(spans(copies)) == {MINIMUM}


def spans(frames: list[Received]) -> list[float]:
    """From the beginning of one frame to that of the next, in ns."""
    return [later.start_ns - earlier.start_ns for earlier, later in pairwise(frames)]


@pytest.mark.parametrize("rewrites", [False, True], ids=["egress", "ingress"])
def test_a_broadcast_to_all_teps_leaves_without_a_gap(rewrites: bool) -> None:
    """In tunnels of all kinds, which are told by member; with ``ingress`` the copies are for many tenants."""
    params = Params()
    teps = tuple(
        RemoteTep(
            index, f"tep{index}", index << 32, (index,), (Way(1, 3),), encapsulation=Encapsulation(index % 4)
        )
        for index in range(params.teps)
    )
    members = tuple(Rewritten(OUI + tep.index, tep.index) if rewrites else tep.index for tep in teps)
    tables = replace(
        TABLES,
        tenants=(replace(TABLES.tenants[0], rewrites=rewrites),),
        teps=teps,
        lists=(ReplicaList(0), ReplicaList(1, {1: members})) if rewrites else (ReplicaList(0, {1: members}),),
    )
    frame = ethernet(0xFFFFFFFFFFFF, OUI << 24 | SENDER, 0x88B5, bytes(42))
    with VirtualBoard(params) as board:
        Driver(RegisterAccess(board.link_client())).apply(tables)
        for _ in range(2):
            board.send(0, tag(frame, SENDER))
        board.run_until_idle()
        copies = board.received(1)
    assert len(copies) == 2 * len(teps)
    lengths = [len(copy.frame) + 24 for copy in copies[:-1]]  # with FCS, preamble and gap
    assert spans(copies) == [length * OCTET_NS for length in lengths]
