"""Frames in, answers out, at a TEP in memory."""

from pathlib import Path

import pytest
from opentep.gateware.hostport.format import Reason
from opentep.gateware.params import Params
from opentep.host import inject as injecting
from opentep.host.document import open_document
from opentep.host.registers import RegisterAccess
from opentep.host.tables import Local, TepTables
from opentep.host.too_big import Limit, TooBigService
from opentep.sim.packets import ethernet, ipv6, tag
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether

from .host_port import HostPort

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"
SERVER = 0
VM, RED3 = 0x120001000001, 0x120001000003
HERE, THERE = 0xFD10 << 112 | 1, 0xFD10 << 112 | 3


class Tep:
    """The first rack of the example."""

    def __init__(self, device):
        self.port = HostPort(device)
        self.registers = RegisterAccess(device)
        self.tables: TepTables = open_document(EXAMPLE).tables["rack1"]
        self.limit = Limit()
        self.service = self.begin()
        (place,) = (entry.place for entry in self.tables.macs if entry.mac == VM)
        assert isinstance(place, Local)
        self.vlan = place.vid

    def begin(self) -> TooBigService:
        return TooBigService(self.registers, self.tables, self.limit)

    def frame(self, to: int = THERE) -> bytes:
        return tag(ethernet(RED3, VM, 0x86DD, ipv6(HERE, to, 17, bytes(1520))), self.vlan)


@pytest.fixture(params=[32, 64], ids="{}-bit".format)
def tep(request: pytest.FixtureRequest, memory_device) -> Tep:
    return Tep(memory_device(Params(width=request.param)))


def test_the_sender_is_told(tep: Tep) -> None:
    assert tep.service.step() is False
    assert tep.port.punt(SERVER, tep.frame())
    assert tep.service.step() is True
    ((port, octets),) = tep.port.sent
    reply = Ether(octets)
    assert (port, reply.dst, reply.vlan, reply[IPv6].dst) == (
        SERVER,
        "12:00:01:00:00:01",
        tep.vlan,
        "fd10::1",
    )
    assert (reply[ICMPv6PacketTooBig].mtu, len(octets)) == (1600 - 54, 512)
    assert tep.service.answered == 1
    assert tep.service.step() is False


def test_many_senders_through_a_ring_that_goes_round(tep: Tep) -> None:
    for number in range(20):
        tep.port.punt(SERVER, tep.frame(THERE + number))
        tep.port.punt(SERVER, tep.frame(THERE + number))
        tep.service.step()
    assert [Ether(octets)[IPv6].src for _, octets in tep.port.sent] == [
        f"fd10::{3 + number:x}" for number in range(20)
    ]
    assert tep.service.answered == 20


def test_nothing_else_is_asked_for(tep: Tep) -> None:
    assert [reason for reason in Reason if tep.port.punt(SERVER, tep.frame(), reason)] == [Reason.TOO_BIG]


def test_the_limit_outlasts_the_service(tep: Tep) -> None:
    tep.port.punt(SERVER, tep.frame())
    tep.service.step()
    again = tep.begin()
    tep.port.punt(SERVER, tep.frame())
    assert again.step()
    assert len(tep.port.sent) == 1 and again.answered == 0


def test_what_has_no_answer_is_taken_all_the_same(tep: Tep) -> None:
    arp = ethernet(RED3, VM, 0x0806, bytes(1600))
    tep.port.punt(SERVER, tag(arp, tep.vlan))
    assert tep.service.step() and tep.port.sent == []
    assert not tep.service.step()


def test_a_port_that_takes_nothing_ends_nothing(tep: Tep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injecting, "_PATIENCE", 0.01)
    tep.port.punt(SERVER, tep.frame())
    monkeypatch.setattr(tep.port, "_tell", lambda name, value: None)
    assert tep.service.step()
    assert tep.service.answered == 0
