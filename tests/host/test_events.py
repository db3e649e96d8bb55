"""What the Verilated gateware tells of learned addresses, as the host software hears it."""

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from opentep.gateware.hostport.format import MAC_RECORD_BYTES, PUNT_HEADER_BYTES, Reason
from opentep.gateware.params import Params
from opentep.gateware.tables.mac_entry import MacChange
from opentep.host.capture import capture
from opentep.host.document import open_document
from opentep.host.driver import Driver
from opentep.host.events import AGED, ALL_CHANGES, LEARNED, MOVED, LearningEvent
from opentep.host.pcapng import PcapngWriter
from opentep.host.punt import PuntedFrame, Punts, Selection
from opentep.host.registers import RegisterAccess
from opentep.host.tables import Local, Remote
from opentep.sim.board import VirtualBoard
from opentep.sim.packets import ethernet, tag, tunnel

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "two-racks.yaml"
SERVER, UPLINK = 0, 1
RED, BLUE = 0x120001, 0x120002
BROADCAST = 0xFFFFFFFFFFFF
LLDP = 0x0180C200000E
EXPERIMENT = 0x88B5
QUEUED = 15
SECOND = 1_000_000_000


class Tep:
    """One board with the first rack's configuration, whose tenants learn whatever they can."""

    def __init__(self, board: VirtualBoard):
        self.board = board
        self.registers = RegisterAccess(board.link_client())
        tables = open_document(EXAMPLE, save=False).tables["rack1"]
        learning = (replace(tenant, learn_source=True, learn_remote=True) for tenant in tables.tenants)
        self.tables = replace(tables, tenants=tuple(learning))
        self.driver = Driver(self.registers)
        self.driver.apply(self.tables)
        self.indices = {tenant.ouis[0]: tenant.index for tenant in tables.tenants}
        self._fresh = 0x100000

    def new_mac(self, oui: int = RED) -> int:
        """An address that no test had before."""
        self._fresh += 1
        return oui << 24 | self._fresh

    def send_from(self, mac: int, vid: int, dst: int = BROADCAST) -> None:
        """A frame of a VM."""
        self.board.send(SERVER, tag(ethernet(dst, mac, EXPERIMENT, bytes(46)), vid))

    def send_from_far(self, mac: int) -> int:
        """A frame of a VM behind the first remote TEP, whose index is returned."""
        tep = self.tables.teps[0]
        inner = ethernet(BROADCAST, mac, EXPERIMENT, bytes(46))
        own = self.tables.ports[UPLINK].mac
        self.board.send(UPLINK, tunnel(own, 0x02005EFF01FE, tep.sources[0], self.tables.address, inner))
        return tep.index

    def listen(self, **selection: object) -> Punts:
        punts = Punts(self.registers)
        punts.select(Selection(**{"changes": ALL_CHANGES, **selection}))  # type: ignore[arg-type]
        return punts

    def heard(self, punts: Punts) -> list[LearningEvent]:
        self.board.run_until_idle()
        return self.heard_now(punts)

    def heard_now(self, punts: Punts) -> list[LearningEvent]:
        return [item for item in punts.fetch_all() if isinstance(item, LearningEvent)]

    def event(self, change: MacChange, mac: int, place: Local | Remote) -> LearningEvent:
        return LearningEvent(change, self.indices[mac >> 24], mac, place, 0)

    def count(self, name: str) -> int:
        self.board.run_until_idle()
        return self.driver.counters(self.tables)["mac"][name]


@pytest.fixture(scope="module", params=[32, 64], ids="{}-bit".format)
def tep(request: pytest.FixtureRequest) -> Iterator[Tep]:
    with VirtualBoard(Params(width=request.param)) as board:
        yield Tep(board)


def test_nothing_is_told_unasked(tep: Tep) -> None:
    punts = tep.listen(changes=())
    before = tep.count("events_lost")
    tep.send_from(tep.new_mac(), 300)
    assert tep.heard(punts) == []
    assert tep.count("events_lost") == before


def test_learned_and_moved_addresses_are_told_in_order(tep: Tep) -> None:
    punts = tep.listen()
    red, blue = tep.new_mac(RED), tep.new_mac(BLUE)
    before = time.time_ns()
    tep.send_from(red, 300)
    tep.send_from(blue, 301)
    tep.send_from(red, 300)  # nothing new
    tep.send_from(red, 302)
    tep.board.run_until_idle()
    far = tep.send_from_far(red)
    events = tep.heard(punts)
    assert events == [
        tep.event(LEARNED, red, Local(SERVER, 300)),
        tep.event(LEARNED, blue, Local(SERVER, 301)),
        tep.event(MOVED, red, Local(SERVER, 302)),
        tep.event(MOVED, red, Remote(far)),
    ]
    times = [event.time for event in events]
    assert times == sorted(set(times)) and before - SECOND < times[0] and times[-1] < time.time_ns()
    # Back to back on a wire of 1 Gb/s.
    assert abs(times[1] - times[0] - 88 * 8) < 1000
    assert tep.heard(punts) == []


def test_static_addresses_are_no_news(tep: Tep) -> None:
    punts = tep.listen()
    for entry in tep.tables.macs:
        if isinstance(entry.place, Local):
            tep.send_from(entry.mac, entry.place.vid)
    assert tep.heard(punts) == []


@pytest.mark.parametrize("wanted", ALL_CHANGES[:2])
def test_only_what_is_asked_for(tep: Tep, wanted: MacChange) -> None:
    punts = tep.listen(changes=(wanted,))
    mac = tep.new_mac()
    for vid in (300, 301):
        tep.send_from(mac, vid)
        tep.board.run_until_idle()
    assert [event.change for event in tep.heard(punts)] == [wanted]


def test_silent_addresses_are_told_when_they_age(tep: Tep) -> None:
    """At the gateware's own pace: scans come three and a half times per lifetime, after whole seconds."""
    lifetime = 7
    tep.registers.write("age_seconds", lifetime)
    punts = tep.listen()
    try:
        mac = tep.new_mac()
        far = tep.send_from_far(mac)
        (learned,) = [event for event in tep.heard(punts) if event.change is LEARNED]
        start = tep.board.time_ns
        aged: list[LearningEvent] = []
        while learned.mac not in [event.mac for event in aged] and tep.board.time_ns < start + 20 * SECOND:
            tep.board.run(tep.board.time_ns + SECOND)
            aged += tep.heard(punts)
        assert 0.75 * lifetime <= (tep.board.time_ns - start) / SECOND <= 1.25 * lifetime + 1
        assert tep.event(AGED, mac, Remote(far)) in aged
        assert {event.change for event in aged} == {AGED}, "those of other tests, too"
    finally:
        tep.registers.write("age_seconds", tep.tables.age_seconds)


def test_a_full_ring_makes_events_wait_and_a_full_queue_loses_them(tep: Tep) -> None:
    punts = tep.listen(always=frozenset({Reason.LINK_LOCAL}))
    learned, lost = tep.count("learned"), tep.count("events_lost")
    macs = [tep.new_mac() for _ in range(120)]
    for number, mac in enumerate(macs):
        tep.send_from(mac, 300 + number)
    tep.board.run_until_idle()
    params = tep.registers.params
    rows = -(-PUNT_HEADER_BYTES // params.word_bytes) + -(-MAC_RECORD_BYTES // params.word_bytes)
    in_ring = (params.ring_rows - params.ring_rows // 4) // rows + 1
    assert tep.count("learned") - learned == len(macs), "what is not told is learned all the same"
    assert tep.count("events_lost") - lost == punts.events_lost() - lost == len(macs) - in_ring - QUEUED
    # A quarter of the ring is kept for frames that must come.
    lldp = tag(ethernet(LLDP, tep.tables.macs[0].mac, EXPERIMENT, bytes(46)), 1)
    tep.board.send(SERVER, lldp)
    tep.board.run_until_idle()
    events = [tep.event(LEARNED, mac, Local(SERVER, 300 + number)) for number, mac in enumerate(macs)]
    *told, frame = punts.fetch_all()
    assert told == events[:in_ring]
    assert isinstance(frame, PuntedFrame) and frame.octets == lldp
    # Now those that have waited find room.
    assert tep.heard(punts) == events[in_ring : in_ring + QUEUED]
    last = tep.new_mac()
    tep.send_from(last, 299)
    assert tep.heard(punts) == [tep.event(LEARNED, last, Local(SERVER, 299))]


def test_who_comes_later_does_not_hear_what_waited(tep: Tep) -> None:
    tep.listen()
    for number in range(100):
        tep.send_from(tep.new_mac(), 300 + number)
    tep.board.run_until_idle()
    punts = tep.listen()
    assert tep.heard(punts) == []
    mac = tep.new_mac()
    tep.send_from(mac, 299)
    assert tep.heard(punts) == [tep.event(LEARNED, mac, Local(SERVER, 299))]


def test_events_go_between_frames(tep: Tep) -> None:
    """And none is taken for the other, whatever the length of the frames."""
    punts = tep.listen(always=frozenset({Reason.FORWARDED}), snap=1518)
    for start in range(0, 30, 3):
        frames, events = [], []
        for number in range(start, start + 3):
            mac = tep.new_mac()
            payload = bytes([number]) * (46 + 7 * number)
            frames.append(tag(ethernet(BROADCAST, mac, EXPERIMENT, payload), 300 + number))
            events.append(tep.event(LEARNED, mac, Local(SERVER, 300 + number)))
            tep.board.send(SERVER, frames[-1])
        tep.board.run_until_idle()
        items = punts.fetch_all()
        assert [item for item in items if isinstance(item, LearningEvent)] == events
        assert [item.octets for item in items if isinstance(item, PuntedFrame)] == frames


def test_a_capture_takes_no_event_for_a_frame(tep: Tep) -> None:
    punts = tep.listen(always=frozenset({Reason.LINK_LOCAL}))
    mac = tep.new_mac()
    lldp = tag(ethernet(LLDP, mac, EXPERIMENT, bytes(46)), 300)
    for dst in (BROADCAST, LLDP, BROADCAST):
        tep.send_from(mac, 300 + (dst == BROADCAST), dst)
        tep.send_from(tep.new_mac(), 310)
    tep.board.run_until_idle()
    file = io.BytesIO()
    writer = PcapngWriter(file, "test", [("server", ""), ("uplink", "")])
    reasons: list[Reason] = []

    def describe(frame: PuntedFrame) -> str:
        reasons.append(frame.reason)
        return ""

    assert next(iter(capture(punts, writer, describe))) == len(reasons) == 1
    assert reasons == [Reason.LINK_LOCAL] and lldp in file.getvalue()


def test_learning_at_full_speed_costs_no_frame(tep: Tep) -> None:
    """The server sends from a new address with each frame, back to back, while the host listens."""
    punts = tep.listen()
    before, lost = tep.count("learned"), punts.events_lost()
    receiver = next(entry for entry in tep.tables.macs if isinstance(entry.place, Local))
    count = 400
    tep.board.received(SERVER)
    for _ in range(count):
        tep.send_from(tep.new_mac(receiver.mac >> 24), 300, receiver.mac)
    told = 0
    while tep.board.pending(SERVER):
        told += len(tep.heard_now(punts))
    told += len(tep.heard(punts))
    while more := len(tep.heard(punts)):
        told += more
    assert len(tep.board.received(SERVER)) == count
    assert told + punts.events_lost() - lost == tep.count("learned") - before == count
    assert told > count // 4
