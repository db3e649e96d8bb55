"""The Verilated TEP answers requests: how fast, how many, and what becomes of those that come too fast."""

from collections import Counter
from collections.abc import Iterator

import pytest
from opentep.gateware.params import Params
from opentep.host.driver import Driver
from opentep.host.registers import RegisterAccess
from opentep.host.tables import KnownAddress, Local, MacTableEntry, Port, ReplicaList, Tenant, TepTables
from opentep.sim.board import VirtualBoard
from opentep.sim.model import TepModel
from opentep.sim.packets import arp, ethernet, neighbour_solicitation, solicited_node, tag
from opentep.sim.wire import GIGABIT, pad

PARAMS = Params(access_ports=3, fabric_ports=1, counted_tenants=1024, known_addresses=64)
OUIS = {5: 0xA20001, 6: 0xB20001}
IP4, IP6 = 0x0A000000, 0xFD10 << 112
ANSWERS_PER_SECOND = 300_000
"""Half of them ARP, at 125 MHz."""
LATENCY_NS = 3_500
"""From the end of a request to the beginning of its answer, alone in the TEP."""


def vm(tenant: int, number: int) -> int:
    return OUIS[tenant] << 24 | number


def vid(tenant: int, number: int) -> int:
    return 10 * tenant + number


def place(number: int) -> int:
    """Port of a VM."""
    return number % PARAMS.access_ports


NUMBERS = range(6)
TABLES = TepTables(
    name="rack",
    address=1,
    ports=(
        *(Port(f"server{k}", "access") for k in range(PARAMS.access_ports)),
        Port("fabric", "fabric", mac=2),
    ),
    tenants=tuple(Tenant(t, f"tenant{t}", (oui,), flood_list=t, suppresses=True) for t, oui in OUIS.items()),
    macs=tuple(MacTableEntry(t, vm(t, n), Local(place(n), vid(t, n))) for t in OUIS for n in NUMBERS),
    lists=tuple(
        ReplicaList(
            t,
            {
                port: tuple(vid(t, n) for n in NUMBERS if place(n) == port)
                for port in range(PARAMS.access_ports)
            },
        )
        for t in OUIS
    ),
    known=tuple(
        KnownAddress(t, version, network | n, vm(t, n))
        for t in OUIS
        for version, network in ((4, IP4), (6, IP6))
        for n in NUMBERS
        if n
    ),
)


def request(tenant: int, asker: int, target: int) -> bytes:
    src = vm(tenant, asker)
    packet = arp(1, src, IP4 | 0x100 | asker, 0, IP4 | target)
    return pad(tag(ethernet(0xFFFFFFFFFFFF, src, 0x0806, packet), vid(tenant, asker)))


def solicitation(tenant: int, asker: int, target: int) -> bytes:
    src, address = vm(tenant, asker), IP6 | target
    packet = neighbour_solicitation(IP6 | 0x100 | asker, solicited_node(address), address, src)
    return tag(ethernet(0x3333FF000000 | target, src, 0x86DD, packet), vid(tenant, asker))


@pytest.fixture
def board() -> Iterator[VirtualBoard]:
    with VirtualBoard(PARAMS) as made:
        configure(made)
        yield made


def configure(board: VirtualBoard) -> Driver:
    driver = Driver(RegisterAccess(board.link_client()))
    driver.apply(TABLES)
    board.run_until_idle()
    return driver


def suppression(board: VirtualBoard) -> dict[str, int]:
    driver = Driver(RegisterAccess(board.link_client()))
    return driver.counters(TABLES)["suppression"]


@pytest.mark.parametrize("ask", [request, solicitation])
@pytest.mark.parametrize("tenant", OUIS)
def test_one_answer_in_time(board: VirtualBoard, ask, tenant: int) -> None:
    frame = ask(tenant, 0, 4)
    board.send(0, frame, board.time_ns + 1000)
    began = board.time_ns + 1000
    board.run_until_idle()
    (answer,) = board.received(0)
    assert not board.received(1) and not board.received(2) and not board.received(3)
    ((port, wanted),) = TepModel(TABLES, PARAMS).receive(0, frame)
    assert (port, pad(wanted)) == (0, answer.frame)
    assert answer.frame[6:12] == vm(tenant, 4).to_bytes(6, "big")
    ended = began + (8 + len(frame) + 4) * 8
    assert answer.start_ns - ended < LATENCY_NS
    assert suppression(board) == {"answered": 1, "overrun": 0}


@pytest.mark.parametrize("share", [1, 16])
def test_all_at_once(board: VirtualBoard, share: int) -> None:
    """Every port asks at line rate, or with each sixteenth frame: a request is answered, or flooded if there are too
    many; what is flooded may be too much for the outputs. Otherwise nothing is lost, of other frames neither."""
    count = 200
    requests, others = Counter(), 0
    for number in range(count):
        for port in range(PARAMS.access_ports):
            tenant = (5, 6)[number % 2]
            if number % share:
                src, dst = vm(tenant, port), vm(tenant, (port + 1) % 3)
                board.send(port, pad(tag(ethernet(dst, src, 0x0800, bytes(46)), vid(tenant, port))))
                others += 1
            else:
                ask = (request, solicitation)[number // share % 2]
                board.send(port, ask(tenant, port, 4))
                requests[port] += 1
    began = board.time_ns
    while any(board.pending(port) for port in range(PARAMS.ports)):
        board.run(max_clocks=100)
    seconds = (board.time_ns - began) * 1e-9
    board.run_until_idle()
    left = {port: board.received(port) for port in range(PARAMS.ports)}
    counted = suppression(board)
    assert counted["answered"] + counted["overrun"] == requests.total()
    answers = sum(
        frame.frame[0:6] in (vm(5, port).to_bytes(6, "big"), vm(6, port).to_bytes(6, "big"))
        and frame.frame[16:18] in (b"\x08\x06", b"\x86\xdd")
        for port in range(PARAMS.access_ports)
        for frame in left[port]
    )
    assert 0 < answers <= counted["answered"]
    if share == 1:
        assert counted["overrun"] > 0
        assert counted["answered"] > ANSWERS_PER_SECOND * seconds
        return
    assert answers == counted["answered"] == requests.total()
    plain = sum(frame.frame[16:18] == b"\x08\x00" for frames in left.values() for frame in frames)
    assert plain == others
    assert sum(len(frames) for frames in left.values()) == answers + plain


def test_a_slow_output_delays_nobody_else() -> None:
    """Answers for port 1 pile up there; those for port 0 do not wait for them."""
    rates = [GIGABIT, 1_000_000, GIGABIT, GIGABIT]
    with VirtualBoard(PARAMS, tx_rate=rates) as board:
        configure(board)
        now = board.time_ns
        for number in range(20):
            board.send(1, request(5, 1, 4), now + 10_000 * number)
            board.send(0, request(5, 0, 4), now + 10_000 * number + 5_000)
        board.run(now + 20 * 10_000 + 10_000)
        assert len(board.received(0)) == 20
        assert len(board.received(1)) < 3
        board.run_until_idle()
        assert len(board.received(1)) > 15
        assert suppression(board) == {"answered": 40, "overrun": 0}
