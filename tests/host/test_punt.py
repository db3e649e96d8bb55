"""Punted and injected frames through the Verilated gateware, as the host software sees them."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from opentep.gateware.headers import ETHERTYPE_IPV6
from opentep.gateware.hostport.format import Reason
from opentep.gateware.params import Params
from opentep.host.document import open_document
from opentep.host.driver import Driver
from opentep.host.inject import InjectError, inject
from opentep.host.punt import PuntedFrame, Punts, Selection
from opentep.host.registers import RegisterAccess
from opentep.host.too_big import Limit, TooBigService
from opentep.sim.board import VirtualBoard
from opentep.sim.packets import echo_request, ethernet, ipv6, neighbour_solicitation, solicited_node, tag

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "two-racks.yaml"
SERVER, UPLINK = 0, 1
RED1, RED2, RED3 = 0x120001000001, 0x120001000002, 0x120001000003
BROADCAST = 0xFFFFFFFFFFFF
REMOTE_REDS = ("red3", "red4")
"""At TEPs of their own."""
NOBODY = 0x1200010000FE
LLDP = 0x0180C200000E
ROUTER = 0x02005EFF01FE
EXPERIMENT = 0x88B5


class Tep:
    """One board with the first rack's configuration."""

    def __init__(self, board: VirtualBoard):
        self.board = board
        self.registers = RegisterAccess(board.link_client())
        document = open_document(EXAMPLE)
        self.tables = document.tables["rack1"]
        Driver(self.registers).apply(self.tables)
        self.vlans = {vm.mac: vm.vlan for vm in document.fabric.vms.values()}

    def frame(self, dst: int, payload: bytes, src: int = RED1) -> bytes:
        """From a VM, as its vSwitch sends it."""
        return tag(ethernet(dst, src, EXPERIMENT, payload.ljust(46, b".")), self.vlans[src])

    def send(self, port: int, *frames: bytes) -> None:
        for frame in frames:
            self.board.send(port, frame)
        self.board.run_until_idle()

    def received(self, port: int) -> list[bytes]:
        return [received.frame for received in self.board.received(port)]

    def punts(self, **selection: object) -> Punts:
        punts = Punts(self.registers)
        punts.select(Selection(**selection))  # type: ignore[arg-type]
        return punts


@pytest.fixture(scope="module", params=[32, 64], ids="{}-bit".format)
def configured(request: pytest.FixtureRequest) -> Iterator[Tep]:
    with VirtualBoard(Params(width=request.param)) as board:
        yield Tep(board)


@pytest.fixture
def tep(configured: Tep) -> Tep:
    """Nothing is left of the test before."""
    configured.board.run_until_idle()
    for port in (SERVER, UPLINK):
        configured.received(port)
    return configured


def counted(tep: Tep, punts: Punts, frames: int, lost: int, before: dict[str, int]) -> None:
    tep.board.run_until_idle()
    assert {name: value - before[name] for name, value in punts.counts().items()} == {
        "frames": frames,
        "lost": lost,
    }


def test_nothing_comes_unasked(tep: Tep) -> None:
    punts = tep.punts()
    tep.send(SERVER, tep.frame(LLDP, b"lldp"), tep.frame(NOBODY, b"nobody"))
    assert punts.fetch() == []


def test_link_local_frames_come_whole_and_as_they_were(tep: Tep) -> None:
    punts = tep.punts(always=frozenset({Reason.LINK_LOCAL}))
    frames = [tep.frame(LLDP, bytes(range(size))) for size in (46, 47, 48, 49, 108, 109, 110)]
    before = time.time_ns()
    tep.send(SERVER, *frames, tep.frame(NOBODY, b"nobody"))
    fetched = punts.fetch()
    assert [(frame.octets, frame.length) for frame in fetched] == [(frame, len(frame)) for frame in frames]
    assert {(frame.port, frame.reason) for frame in fetched} == {(SERVER, Reason.LINK_LOCAL)}
    times = [frame.time for frame in fetched]
    assert times == sorted(set(times)) and before - 10**9 < times[0] and times[-1] < time.time_ns()
    # Back to back on a wire of 1 Gb/s; a frame is judged when it ends.
    wire = [(len(frame) + 24) * 8 for frame in frames]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(abs(gap - ns) < 100 for gap, ns in zip(gaps, wire[1:], strict=True))
    assert tep.received(SERVER) == tep.received(UPLINK) == []
    assert punts.fetch() == []


@pytest.mark.parametrize("snap", [0, 1, 4, 63, 64, 65, 128, 1518])
def test_long_frames_are_cut(tep: Tep, snap: int) -> None:
    punts = tep.punts(always=frozenset({Reason.LINK_LOCAL}), snap=snap)
    whole = tep.frame(LLDP, bytes(range(256)) * 5 + bytes(220))
    assert len(whole) == 1518
    tep.send(SERVER, whole)
    (frame,) = punts.fetch()
    assert (frame.octets, frame.length) == (whole[:snap], 1518)


def test_the_ring_goes_round(tep: Tep) -> None:
    punts = tep.punts(always=frozenset({Reason.LINK_LOCAL}), snap=200)
    for number in range(60):
        frame = tep.frame(LLDP, bytes([number]) * (46 + 3 * number))
        tep.send(SERVER, frame)
        assert [got.octets for got in punts.fetch()] == [frame[:200]]


def test_a_full_ring_loses_punts_but_no_frame(tep: Tep) -> None:
    punts = tep.punts(always=frozenset({Reason.LINK_LOCAL}))
    before = punts.counts()
    frames = [tep.frame(LLDP, bytes([number]) * 110) for number in range(40)]
    traffic = [tep.frame(RED2, bytes([number]) * 110) for number in range(40)]
    tep.send(SERVER, *(frame for pair in zip(frames, traffic, strict=True) for frame in pair))
    assert len(tep.received(SERVER)) == len(traffic)
    fetched = punts.fetch()
    params = tep.registers.params
    kept = params.ring_rows // (-(-12 // params.word_bytes) + 128 // params.word_bytes)
    assert [frame.octets for frame in fetched] == [frame[:128] for frame in frames[:kept]]
    counted(tep, punts, kept, len(frames) - kept, before)
    assert tep.registers.read("status.cells_used") == 0
    tep.send(SERVER, frames[0])
    assert [frame.octets for frame in punts.fetch()] == [frames[0][:128]]


def test_samples_are_one_of_n_of_the_ports_asked_for(tep: Tep) -> None:
    reasons = frozenset({Reason.UNKNOWN_UNICAST, Reason.NOT_MINE})
    stray = ethernet(0x020000000099, ROUTER, EXPERIMENT, bytes(46))

    def sampled(ports: set[int] | None, interval: int, *, count: int = 9) -> list[PuntedFrame]:
        punts = tep.punts(
            sampled=reasons, ports=None if ports is None else frozenset(ports), interval=interval
        )
        got = []
        for number in range(count):
            tep.send(SERVER, tep.frame(NOBODY, bytes([number]) * 46))
            tep.send(UPLINK, stray)
            got += punts.fetch()
        return got

    assert len(sampled(None, 1)) == 18
    assert len(sampled(None, 3)) == 6
    assert len(sampled(None, 4, count=10)) == 5
    only = sampled({SERVER}, 1)
    assert [frame.octets[18] for frame in only] == list(range(9))
    assert {(frame.port, frame.reason) for frame in only} == {(SERVER, Reason.UNKNOWN_UNICAST)}
    assert {frame.port for frame in sampled({UPLINK}, 2)} == {UPLINK}
    assert sampled(set(), 1) == []


def test_samples_leave_room_for_what_must_come(tep: Tep) -> None:
    punts = tep.punts(sampled=frozenset({Reason.UNKNOWN_UNICAST}), always=frozenset({Reason.LINK_LOCAL}))
    lldp = tep.frame(LLDP, b"lldp")
    tep.send(SERVER, *(tep.frame(NOBODY, bytes(110)) for _ in range(30)), lldp)
    *samples, last = punts.fetch()
    assert len(samples) > 5
    assert (last.reason, last.octets) == (Reason.LINK_LOCAL, lldp)


def test_forwarded_frames_are_mirrored(tep: Tep) -> None:
    punts = tep.punts(sampled=frozenset({Reason.FORWARDED}))
    one = tep.frame(RED2, b"hairpin")
    tep.send(SERVER, one)
    (out,) = tep.received(SERVER)
    assert out[16:] == one[16:]
    (copy,) = punts.fetch()
    assert (copy.reason, copy.octets) == (Reason.FORWARDED, one)
    assert tep.registers.read("status.cells_used") == 0


def test_neighbour_discovery_is_told_from_what_is_not_mine(tep: Tep) -> None:
    punts = tep.punts(always=frozenset({Reason.DISCOVERY}))
    router = 0xFE80 << 112 | 1
    question, foreign = (
        ethernet(
            0x3333_0000_0000 | solicited_node(target) & 0xFFFFFFFF,
            ROUTER,
            ETHERTYPE_IPV6,
            neighbour_solicitation(router, solicited_node(target), target, ROUTER),
        )
        for target in (tep.tables.address, tep.tables.address + 0x100)
    )
    tep.send(UPLINK, question, foreign, ethernet(0x020000000099, ROUTER, EXPERIMENT, bytes(46)))
    fetched = punts.fetch()
    assert [frame.octets for frame in fetched] == [question, foreign]
    assert {(frame.port, frame.reason) for frame in fetched} == {(UPLINK, Reason.DISCOVERY)}
    assert len(tep.received(UPLINK)) == 1, "the gateware answers for its own address"


def test_a_frame_that_is_cut_is_an_error_with_its_true_length(tep: Tep) -> None:
    punts = tep.punts(always=frozenset({Reason.RX_ERROR}))
    frame = tep.frame(RED2, b"bad FCS")
    tep.board.send(SERVER, frame, error=True)
    tep.board.send(SERVER, frame[:31], pad=False)
    tep.board.run_until_idle()
    assert [(got.octets, got.length) for got in punts.fetch()] == [(frame, len(frame)), (frame[:31], 31)]


def test_a_vm_whose_packet_is_too_big_is_told(tep: Tep) -> None:
    service = TooBigService(tep.registers, tep.tables, Limit())
    here, there = 0xFD10 << 112 | 1, 0xFD10 << 112 | 3
    largest = 1600 - 40 - 14
    fitting, too_big = (
        tag(
            ethernet(RED3, RED1, ETHERTYPE_IPV6, ipv6(here, there, 17, bytes(size - 40))),
            tep.vlans[RED1],
        )
        for size in (largest, largest + 1)
    )
    tep.send(SERVER, fitting)
    assert not service.step()
    assert len(tep.received(UPLINK)) == 1
    tep.send(SERVER, too_big, too_big)
    assert service.step()
    tep.board.run_until_idle()
    (reply,) = tep.received(SERVER)
    assert reply[:12] == too_big[6:12] + too_big[:6] and reply[12:18] == too_big[12:18]
    assert reply[58:66] == b"\x02\x00" + reply[60:62] + largest.to_bytes(4, "big")
    assert reply[66:] == too_big[18:464]
    assert tep.received(UPLINK) == []
    assert tep.registers.read("status.cells_used") == 0


def test_group_frames_that_are_too_big_for_some_receivers_come_too(tep: Tep) -> None:
    """Those for whom they are not get them."""
    fitting, too_big = (tep.frame(BROADCAST, bytes(size)) for size in (1546, 1547))
    unwanted = tep.punts(always=frozenset({Reason.LINK_LOCAL}))
    tep.send(SERVER, too_big)
    assert unwanted.fetch() == []
    assert len(tep.received(SERVER)) == 1 and tep.received(UPLINK) == []

    punts = tep.punts(always=frozenset({Reason.TOO_BIG}))
    tep.send(SERVER, fitting, too_big, fitting)
    (frame,) = punts.fetch()
    assert (frame.port, frame.reason, frame.octets, frame.length) == (
        SERVER,
        Reason.TOO_BIG,
        too_big[:128],
        len(too_big),
    )
    assert len(tep.received(SERVER)) == 3 and len(tep.received(UPLINK)) == 2 * len(REMOTE_REDS)
    assert tep.registers.read("status.cells_used") == 0


def test_samples_of_group_frames_that_are_too_big(tep: Tep) -> None:
    too_big = tep.frame(BROADCAST, bytes(1547))
    counts = []
    for ports, interval in ((None, 1), (None, 3), (frozenset({UPLINK}), 1)):
        punts = tep.punts(sampled=frozenset({Reason.TOO_BIG}), ports=ports, interval=interval)
        got = []
        for _ in range(6):
            tep.send(SERVER, too_big)
            got += punts.fetch()
        counts.append(len(got))
    assert counts == [6, 2, 0]


def test_group_frames_that_are_too_big_are_counted_if_the_ring_is_full(tep: Tep) -> None:
    punts = tep.punts(always=frozenset({Reason.TOO_BIG}), snap=1400)
    before = punts.counts()
    frames = [tep.frame(BROADCAST, bytes((number,)) * 1547) for number in range(8)]
    tep.send(SERVER, *frames)
    assert [frame.octets for frame in punts.fetch()] == [frames[0][:1400]]
    counted(tep, punts, 1, len(frames) - 1, before)
    assert len(tep.received(SERVER)) == len(frames)
    assert tep.registers.read("status.cells_used") == 0


@pytest.mark.parametrize("port", [SERVER, UPLINK])
def test_injected_frames_leave_unchanged(tep: Tep, port: int) -> None:
    tep.punts()
    frames = [
        bytes((index + size) % 256 for index in range(size)) for size in (60, 61, 62, 63, 64, 86, 509, 512)
    ]
    for frame in frames:
        inject(tep.registers, port, frame)
    tep.board.run_until_idle()
    assert tep.received(port) == frames
    assert tep.received(1 - port) == []


def test_injected_frames_go_between_others(tep: Tep) -> None:
    tep.punts()
    traffic = [tep.frame(RED2, bytes([number]) * 1000) for number in range(30)]
    stats = tep.board.stats(SERVER)
    for frame in traffic:
        tep.board.send(SERVER, frame)
    injected = [bytes([0xF0 + number]) * 400 for number in range(10)]
    for frame in injected:
        inject(tep.registers, SERVER, frame)
    tep.board.run_until_idle()
    received = tep.received(SERVER)
    assert [frame for frame in received if frame in injected] == injected
    assert [frame[18:] for frame in received if frame not in injected] == [frame[18:] for frame in traffic]
    assert received[-len(injected) :] != injected, "some were sent while others waited"
    assert tep.board.stats(SERVER).underruns == stats.underruns


def test_what_cannot_be_injected_is_refused(tep: Tep) -> None:
    with pytest.raises(InjectError, match="has ports 0 to 1, not 2"):
        inject(tep.registers, 2, bytes(60))
    for size in (0, 513):
        with pytest.raises(InjectError, match=f"1 to 512 octets, not {size}"):
            inject(tep.registers, 0, bytes(size))
    # Nor does the gateware hang on such a command.
    number = tep.registers.read("inject.done")
    for length, port in ((0, 0), (60, 2), (60, 15)):
        number = (number + 1) % 256
        tep.registers.write("inject.command", {"length": length, "port": port, "number": number})
        assert tep.registers.read("inject.done") == number
    inject(tep.registers, UPLINK, bytes(range(60)))
    tep.board.run_until_idle()
    assert tep.received(UPLINK) == [bytes(range(60))]


def test_ports_that_need_every_word_get_it() -> None:
    """Both ports take and send frames of full size at half of the datapath's speed, while the host mirrors them."""
    with VirtualBoard(Params(), rate=2_000_000_000) as board:
        tep = Tep(board)
        punts = tep.punts(always=frozenset({Reason.FORWARDED}))
        ping = echo_request(0xFD00_0002 << 96 | 1, tep.tables.address, 1, 1, bytes(1456))
        frames = {
            SERVER: tep.frame(RED2, bytes(1500)),
            UPLINK: ethernet(tep.tables.ports[UPLINK].mac, ROUTER, ETHERTYPE_IPV6, ping),
        }
        count = 300
        for port, frame in frames.items():
            assert len(frame) == 1518
            for _ in range(count):
                board.send(port, frame)
        mirrored = 0
        while any(board.pending(port) for port in frames):
            mirrored += len(punts.fetch())
        board.run_until_idle()
        assert mirrored > 50
        assert [len(tep.received(port)) for port in frames] == [count, count]
        assert board.stats(SERVER).underruns == 0  # answers are slow at this speed, with or without a host
