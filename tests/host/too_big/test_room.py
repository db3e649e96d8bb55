"""How big a packet may be, where the model says what passes."""

from dataclasses import replace
from pathlib import Path

import pytest
from opentep.gateware.headers import Encapsulation
from opentep.host.document import open_document
from opentep.host.tables import Local, MacTableEntry, Port, TepTables, Way
from opentep.host.too_big.room import TunnelRoom
from opentep.sim.model import TepModel
from opentep.sim.packets import ethernet, ipv4, tag

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"
SERVER, UPLINK = 0, 1
VM, RED3, RED4, NOBODY = 0x120001000001, 0x120001000003, 0x120001000301, 0x1200010000FE


@pytest.fixture
def tables() -> TepTables:
    return open_document(EXAMPLE).tables["rack1"]


def frame(tables: TepTables, dst: int, octets: int = 100) -> bytes:
    """From the VM, with a packet of so many octets."""
    vid = next(entry.place.vid for entry in tables.macs if entry.mac == VM and isinstance(entry.place, Local))
    return tag(ethernet(dst, VM, 0x0800, ipv4(0x0A000001, 0x0A000003, 17, bytes(octets - 20))), vid)


def with_teps(tables: TepTables, **changes: object) -> TepTables:
    return replace(tables, teps=tuple(replace(tep, **changes) for tep in tables.teps))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", Encapsulation)
@pytest.mark.parametrize("mtu", [1500, 9000])
def test_what_is_told_passes_and_no_more(tables: TepTables, kind: Encapsulation, mtu: int) -> None:
    networks = tuple(replace(tenant, network=7) for tenant in tables.tenants)
    ports = tuple(replace(port, mtu=mtu) for port in tables.ports)
    tables = with_teps(replace(tables, ports=ports, tenants=networks), encapsulation=kind)
    room = TunnelRoom(tables).for_frame(SERVER, frame(tables, RED3))
    assert room == mtu - 40 - kind.overhead
    model = TepModel(tables)
    fitting, too_big = (frame(tables, RED3, room - 14 + more) for more in (0, 1))
    assert [port for port, _ in model.receive(SERVER, fitting)] == [UPLINK]
    assert model.receive(SERVER, too_big) == []
    assert model.counters()["ports"]["server"]["drops"]["too-big"] == 1


def test_the_target_counts(tables: TepTables) -> None:
    (rack2, site3) = tables.teps
    tables = replace(tables, teps=(replace(rack2, encapsulation=Encapsulation.VXLAN), site3))
    room = TunnelRoom(tables)
    assert room.for_frame(SERVER, frame(tables, RED3)) == 1600 - 56
    assert room.for_frame(SERVER, frame(tables, RED4)) == 1600 - 40


def test_the_narrowest_of_all_for_whom_the_tables_do_not_know(tables: TepTables) -> None:
    (rack2, site3) = tables.teps
    tables = replace(tables, teps=(replace(rack2, encapsulation=Encapsulation.NVGRE), site3))
    assert TunnelRoom(tables).for_frame(SERVER, frame(tables, NOBODY)) == 1600 - 48


def test_the_narrowest_way_counts(tables: TepTables) -> None:
    narrow = Port("uplink2", "fabric", mac=0x02005E010002, mtu=1400)
    ways = (*tables.teps[0].ways, Way(2, 0x02005EFF01FE))
    tables = with_teps(replace(tables, ports=(*tables.ports, narrow)), ways=ways)
    assert TunnelRoom(tables).for_frame(SERVER, frame(tables, RED3)) == 1360


def test_whoever_is_here_by_now_is_in_no_tunnel(tables: TepTables) -> None:
    here = MacTableEntry(tables.tenants[0].index, NOBODY, Local(SERVER, 99))
    tables = replace(tables, macs=(*tables.macs, here))
    assert TunnelRoom(tables).for_frame(SERVER, frame(tables, NOBODY)) is None


def test_without_remote_teps_there_is_no_tunnel(tables: TepTables) -> None:
    assert TunnelRoom(replace(tables, teps=(), macs=())).for_frame(SERVER, frame(tables, NOBODY)) is None
