"""What tests of tables that change share: line-rate traffic into every port, and the judge of all that left."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentep.gateware.params import Params
from opentep.host.driver import Driver
from opentep.host.tables import TepTables
from opentep.sim.board import VirtualBoard
from opentep.sim.model import TepModel
from opentep.sim.wire import pad

__all__ = [
    "FABRIC",
    "PARAMS",
    "RATE",
    "Outcome",
    "Sent",
    "Stream",
    "everything_left",
    "judge",
    "nothing_overflowed",
]

PARAMS = Params(
    width=64, access_ports=2, fabric_ports=2, tenants=64, macs=256, teps=32, rules=64, lists=64, members=128
)
FABRIC = range(PARAMS.access_ports, PARAMS.ports)
RATE = 1_000_000_000
BOUNDARY = 40
"""Frames of a port that may be inside the TEP, or judged, while a change begins or ends."""

Outcome = dict[int, Counter[bytes]]
"""Frames that leave, by port."""


@dataclass(frozen=True)
class Sent:
    port: int
    number: int
    frame: bytes


def outcome(model: TepModel, sent: Sent) -> Outcome:
    result: Outcome = {}
    for port, frame in model.receive(sent.port, sent.frame):
        result.setdefault(port, Counter())[pad(frame)] += 1
    return result


class Stream:
    """Line-rate traffic into one port, all frames different; they are taken from ``source``."""

    def __init__(self, port: int, source: Iterator[bytes]):
        self.port = port
        self.source = source
        self.sent: list[Sent] = []
        self._seen: set[bytes] = set()

    def _unlike(self) -> bytes:
        while True:
            frame = next(self.source)
            # Long enough that random payload tells frames apart when they have been edited.
            if len(frame) > 130 and frame[-40:] not in self._seen:
                self._seen.add(frame[-40:])
                return frame

    def top_up(self, board: VirtualBoard, ahead: int) -> None:
        """Until ``ahead`` frames wait."""
        for _ in range(ahead - board.pending(self.port)):
            sent = Sent(self.port, len(self.sent), self._unlike())
            self.sent.append(sent)
            board.send(self.port, sent.frame)

    def entered(self, board: VirtualBoard) -> int:
        return len(self.sent) - board.pending(self.port)


def everything_left(board: VirtualBoard) -> Outcome:
    """When all that was sent has been dealt with."""
    board.run_until_idle()
    return {
        port: Counter(received.frame for received in board.received(port)) for port in range(PARAMS.ports)
    }


def nothing_overflowed(driver: Driver, tables: TepTables) -> bool:
    ports = driver.counters(tables)["ports"]
    return all(port["drops"]["no-buffer"] == port["queue_full"] == 0 for port in ports.values())


def copies(port: int, frames: Counter[bytes]) -> tuple[bytes, ...]:
    """What leaves on one port because of one frame, without next hops and hop limits: of copies to one TEP, each is
    sent with the outer header that is in force then."""
    if port not in FABRIC:
        return tuple(sorted(frames.elements()))
    return tuple(sorted(frame[6:21] + frame[22:] for frame in frames.elements()))


def met(sent: Sent, changes: int, marks: list[list[int]]) -> list[int]:
    """The changes that a frame may have met, of which number k began at mark k and had ended at mark k + 1."""
    return [
        index
        for index in range(changes)
        if marks[index][sent.port] - BOUNDARY <= sent.number < marks[index + 1][sent.port] + BOUNDARY
    ]


def leaving(result: Outcome, ports: Sequence[int]) -> tuple[tuple[bytes, ...], ...]:
    return tuple(copies(port, result.get(port, Counter())) for port in ports)


def apart(results: list[Outcome]) -> list[Sequence[int]]:
    """Ports to be judged apart: all from each other if a frame is for many, since each port has lists of its own."""
    is_for_one = all(sum(map(Counter.total, result.values())) <= 1 for result in results)
    return [range(PARAMS.ports)] if is_for_one else [(port,) for port in range(PARAMS.ports)]


def judge(
    streams: list[Stream], changes: Sequence[Sequence[TepTables]], marks: list[list[int]], left: Outcome
) -> tuple[int, int]:
    """Whether each frame left as it must: AssertionError if not. How many frames no change concerned, and how many one
    did.

    Of each change, the tables before and behind it, and between these what a frame may meet on the way if it is one
    that the change concerns. ``marks`` are the frames of each port that had entered when each change began.
    """
    ways: dict[int, tuple[int, ...]] = {}
    models: list[list[TepModel]] = []
    for stages in changes:
        models.append([])
        for tables in stages:
            models[-1].append(TepModel(tables, ways=ways))
            ways |= models[-1][-1].ways
    left = {port: Counter(frames) for port, frames in left.items()}
    concerned = unconcerned = 0
    for stream in streams:
        for sent in stream.sent:
            stages = [models[index] for index in met(sent, len(changes), marks)] or [models[-1][-1:]]
            ends = [outcome(model, sent) for change in stages for model in (change[0], change[-1])]
            between = [outcome(model, sent) for change in stages for model in change[1:-1]]
            frames = {frame for result in (*ends, *between) for counts in result.values() for frame in counts}
            got = {
                port: Counter({frame: counts[frame] for frame in frames if counts[frame]})
                for port, counts in left.items()
            }
            for ports in apart(ends):
                expected = {leaving(result, ports) for result in ends}
                if len(expected) > 1:
                    expected |= {leaving(result, ports) for result in between}
                    concerned += 1
                elif any(got[port] for port in ports):
                    unconcerned += 1
                assert leaving(got, ports) in expected, (sent, ports, expected)
            for port, counts in got.items():
                left[port] -= counts
    assert not any(count for frames in left.values() for count in frames.values()), "frames from nowhere"
    return unconcerned, concerned
