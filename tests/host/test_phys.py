"""Links and registers of PHYs, on the virtual board and on a register space with PHYs."""

from itertools import pairwise

import pytest
from opentep.gateware.params import Params
from opentep.gateware.phy.gmii import Speed
from opentep.gateware.registers import memory_map
from opentep.host.link.client import LinkClient
from opentep.host.link.protocol import Write
from opentep.host.phys import Link, PhyError, access_phy, read_links
from opentep.host.registers import RegisterAccess
from opentep.sim.board import VirtualBoard


class Phys:
    """Registers of a TEP with a PHY at port 0, over any register space: commands are done at once."""

    def __init__(self, space, params):
        self.space = space
        self.phy = {register: 0x1000 + register for register in range(32)}
        self.commands = []
        self.access = None
        addresses = memory_map(params)
        self._command, self._result = addresses["mdio.command"].start, addresses["mdio.result"].start

    def execute(self, requests):
        requests = list(requests)
        replies = self.space.execute(requests)
        for request in requests:
            if isinstance(request, Write) and request.address == self._command:
                command = self.access.read("mdio.command")
                self.commands.append(command)
                there = command["port"] == 0
                if command["write"] and there:
                    self.phy[command["register"]] = command["data"]
                data = self.phy[command["register"]] if there else 0xFFFF
                self.space.words[self._result] = data | there << 16 | command["number"] << 17
        return replies


@pytest.fixture
def phys(memory_device):
    params = Params()
    found = Phys(memory_device(params), params)
    found.access = RegisterAccess(found)
    return found


def test_reads_and_writes(phys):
    for _ in range(70):  # more than there are numbers
        assert access_phy(phys.access, 0, 2) == 0x1002
    assert access_phy(phys.access, 0, 31, 0xBEEF) == 0xBEEF
    assert access_phy(phys.access, 0, 31) == 0xBEEF
    assert len(phys.commands) == 72
    assert all(a["number"] != b["number"] for a, b in pairwise(phys.commands))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((1, 2), "no PHY of port 1 answers"),
        ((2, 0), "the TEP has ports 0 to 1, not 2"),
        ((0, 32), "a PHY has registers 0 to 31, not 32"),
        ((0, 0, 0x10000), "16 bits, 0x10000 does not fit"),
    ],
)
def test_refuses(phys, arguments, message):
    with pytest.raises(PhyError, match=message):
        access_phy(phys.access, *arguments)


def test_links(phys):
    start = memory_map(Params())["port[1].link"].start
    for speed, mbits in ((Speed.MBIT_10, 10), (Speed.MBIT_100, 100), (Speed.MBIT_1000, 1000)):
        phys.space.words[start] = 1 | speed.value << 1 | 1 << 3
        assert read_links(phys.access) == [Link(False), Link(True, mbits, True)]
    phys.space.words[start] = 1 | 3 << 1
    assert read_links(phys.access)[1] == Link(True, None, False)


def test_virtual_board():
    """Links are up; there are no PHYs, which is told and does not wedge."""
    with VirtualBoard(Params()) as board:
        registers = RegisterAccess(LinkClient(board.link_transport()))
        assert read_links(registers) == [Link(True, 1000, True)] * 2
        for port in (0, 1, 0):
            with pytest.raises(PhyError, match=f"no PHY of port {port} answers"):
                access_phy(registers, port, 1)
