"""Feeds captures into the ports of one TEP and captures what leaves: the black-box face of the gateware."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from opentep.gateware.params import Params
from opentep.host.diff import Names
from opentep.host.events import LearningEvent, event_item
from opentep.host.tables import TepTables

from .model import TepModel
from .pcap import Packet, PcapWriter, read_capture
from .wire import GIGABIT, Lane, Slot, pad

__all__ = ["Arrival", "Backend", "Departure", "Progress", "ReplayError", "ReplayResult", "replay"]

Progress = Callable[[int, int], None]
"""Called with the number of frames that have entered so far and of all that will."""


class ReplayError(ValueError):
    """The request makes no sense; the message says why."""


@dataclass(frozen=True)
class Arrival:
    """A frame, padded, that enters ``port`` in ``slot``."""

    port: int
    slot: Slot
    frame: bytes


@dataclass(frozen=True)
class Departure:
    """A frame, padded, whose first octet left ``port`` at ``time`` (nanoseconds)."""

    port: int
    time: int
    frame: bytes


class Backend(Protocol):
    """Something that behaves like a configured TEP with wires at its ports."""

    def run(self, arrivals: Sequence[Arrival], progress: Progress) -> Iterator[Departure]:
        """Take ``arrivals``, in order of their starts; yields departures in order per port. Called once."""

    def counters(self) -> dict[str, Any]:
        """Every counter, after :meth:`run` has ended."""

    def events(self) -> list[LearningEvent]:
        """What became of learned addresses, in order, after :meth:`run` has ended. Called once."""


@dataclass(frozen=True)
class ReplayResult:
    """What happened: frames per port name, and the counters and events that were written."""

    entered: dict[str, int]
    left: dict[str, int]
    counters: dict[str, Any]
    events: list[LearningEvent]


class ModelBackend:
    """The golden model with wires: a frame is processed at once when it has ended, and queues are endless."""

    def __init__(self, tables: TepTables, rate: int, params: Params | None):
        self._model = TepModel(tables, params or Params())
        self._lanes = [Lane(rate) for _ in tables.ports]

    def run(self, arrivals: Sequence[Arrival], progress: Progress) -> Iterator[Departure]:
        in_order = sorted(arrivals, key=lambda arrival: (arrival.slot.end, arrival.port))
        for number, arrival in enumerate(in_order, 1):
            for port, frame in self._model.receive(arrival.port, arrival.frame, arrival.slot.end):
                slot = self._lanes[port].send(len(frame), arrival.slot.end)
                yield Departure(port, slot.start, pad(frame))
            progress(number, len(arrivals))

    def counters(self) -> dict[str, Any]:
        return self._model.counters()

    def events(self) -> list[LearningEvent]:
        return self._model.events()


def replay(
    tables: TepTables,
    inputs: Mapping[str, Path],
    out: Path,
    backend: Literal["rtl", "model"] = "rtl",
    *,
    rate: int = GIGABIT,
    params: Params | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
) -> ReplayResult:
    """Replay captures ``inputs`` (port name → file) through the TEP that ``tables`` configures.

    Frames enter at their time stamps; one that would come faster than ``rate`` (bit/s, all ports) allows
    is delayed by as much as it takes. Simulated time is the captures' time, so that captures of both sides
    merge. Writes ``out/PORT.pcap`` for every port, ``out/counters.json``, and what became of learned addresses as
    ``out/events.json``. Frames shorter than 60 octets are padded, in and out, as on the wire. ``params`` are those of
    the core, by default one with the ports of ``tables`` (the model takes of them what is counted and the longest
    frame); ``note`` is told what happens while the ``rtl`` core is built for the first time.

    Raises :class:`ReplayError`, :class:`~opentep.sim.pcap.CaptureError`, :class:`OSError`, or, if the gateware
    cannot be built, :class:`~opentep.sim.toolchain.ToolError`.
    """
    names = [port.name for port in tables.ports]
    _check(names, inputs, out)
    arrivals = _arrivals({names.index(name): path for name, path in inputs.items()}, rate)
    tep = _backend(backend, tables, rate, params, note)
    out.mkdir(parents=True, exist_ok=True)
    entered, left = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for arrival in arrivals:
        entered[names[arrival.port]] += 1
    with ExitStack() as stack:
        writers = [stack.enter_context(PcapWriter(out / f"{name}.pcap")) for name in names]
        for departure in tep.run(arrivals, progress or (lambda entered, total: None)):
            writers[departure.port].write(Packet(departure.time, departure.frame))
            left[names[departure.port]] += 1
    counters = tep.counters()
    (out / "counters.json").write_text(json.dumps(counters, indent=2) + "\n")
    events, of = tep.events(), Names(tables)
    (out / "events.json").write_text(json.dumps([event_item(event, of) for event in events], indent=2) + "\n")
    return ReplayResult(entered, left, counters, events)


def _check(names: list[str], inputs: Mapping[str, Path], out: Path) -> None:
    unknown = [name for name in inputs if name not in names]
    if unknown:
        raise ReplayError(f"the TEP has no port {unknown[0]!r}; its ports are {', '.join(names)}")
    if not inputs:
        raise ReplayError("no capture to replay")
    outputs = {(out / f"{name}.pcap").resolve() for name in names}
    for path in inputs.values():
        if path.resolve() in outputs:
            raise ReplayError(f"{path} would be overwritten by the output; choose another output folder")


def _arrivals(inputs: Mapping[int, Path], rate: int) -> list[Arrival]:
    """All frames of all captures as the wires deliver them, in order of their starts."""
    arrivals = []
    for port, path in inputs.items():
        lane = Lane(rate)
        # Captures of several interfaces are often slightly out of order.
        for packet in sorted(read_capture(path), key=lambda packet: packet.time):
            frame = pad(packet.octets)
            arrivals.append(Arrival(port, lane.send(len(frame), packet.time), frame))
    return sorted(arrivals, key=lambda arrival: arrival.slot.start)


def _backend(
    name: str,
    tables: TepTables,
    rate: int,
    params: Params | None,
    note: Callable[[str], None] | None,
) -> Backend:
    if name == "model":
        return ModelBackend(tables, rate, params)
    if name == "rtl":
        # Needs the packages of the extra `sim`, which the model does without.
        from .replay_rtl import RtlBackend

        return RtlBackend(tables, rate, params, note)
    raise ReplayError(f"unknown backend {name!r}; choose rtl or model")
