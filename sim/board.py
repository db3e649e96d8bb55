"""The virtual board: a complete TEP, Verilated, with Ethernet wires and a host link on its pins.

    with VirtualBoard(Params()) as board:
        board.send(0, frame)
        board.run_until_idle()
        for received in board.received(1):
            ...

Simulated time counts in nanoseconds of the core clock. It passes only while a method runs the board, and
jumps over stretches in which nothing happens, so an idle second costs nothing.
"""

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cffi
from opentep.gateware.params import Params
from opentep.host.link.client import LinkClient

from .verilate import Design, Progress, board_library

__all__ = ["BoardTransport", "LiveError", "LiveStats", "PortStats", "Received", "Stop", "VirtualBoard"]

_BATCH_CLOCKS = 50_000
"""Clocks per call into the simulator: bounds how long another thread waits for the board."""

_NEVER = (1 << 64) - 1


class Stop(IntEnum):
    """Why a run ended; the values of board.h."""

    TIME = 0
    IDLE = 1
    LINK = 2
    FRAME = 3
    CLOCKS = 4


_STOP_IDLE, _STOP_LINK, _STOP_FRAME = 1, 2, 4


@dataclass(frozen=True)
class Received:
    """A frame that left a port, as it is on the wire but without FCS: padded to 60 octets."""

    frame: bytes
    start_ns: int
    """When the first octet of the destination address left."""
    end_ns: int
    """When the last octet of the FCS had left."""
    error: bool
    """The core marked the frame bad; a MAC spoils its FCS."""


@dataclass(frozen=True)
class PortStats:
    rx_frames: int
    rx_octets: int
    tx_frames: int
    tx_octets: int
    underruns: int
    """Frames in whose middle the wire had to wait for the core (the core's fault if no ``tx_stall``)."""


@dataclass(frozen=True)
class LiveStats:
    """What passed between a port and its interface in live operation."""

    received: int
    sent: int
    offloaded: int
    """Not accepted: the sender left segmentation to the wire."""
    not_sent: int
    """The interface was down, full, or its MTU too small; or the core marked the frame bad."""


class LiveError(OSError):
    """An interface failed in live operation."""

    def __init__(self, port: int, error: int):
        super().__init__(error, os.strerror(error))
        self.port = port
        """Port number, -1 for the host link."""

    def __str__(self) -> str:
        return str(self.strerror)


def _interface() -> cffi.FFI:
    text = (Path(__file__).parent / "board.h").read_text()
    ffi = cffi.FFI()
    ffi.cdef(text.split("/* cffi: begin */")[1].split("/* cffi: end */")[0])
    return ffi


ffi = _interface()
"""Types of board.h."""


def _per_port(params: Params, name: str, value: int | Iterable[int]) -> list[int]:
    rates = [value] * params.ports if isinstance(value, int) else list(value)
    if len(rates) != params.ports:
        raise ValueError(f"{params.ports} ports need as many values of {name}, not {len(rates)}")
    most = params.width * params.clock_hz
    for bits in rates:
        if not 1 <= bits <= most:
            raise ValueError(f"{name} must be from 1 to {most} bit/s, the speed of the datapath: {bits}")
    return rates


class VirtualBoard:
    """One TEP with its wires. Methods may be called from several threads; they take turns.

    ``rate``      bits per second of every port, or one value per port; at most the datapath's own speed.
    ``tx_rate``   the same for the wires that leave the core, if they differ.
    ``design``    class (or callable) that makes the gateware from ``params``; the complete TEP by default.
    ``link_baud`` speed of the host link (8N1); 0 moves one octet per clock.
    ``tx_stall``, ``rx_gap``  probability per clock that a wire does not take, or give, a word that is due;
    for tests, repeatable by ``seed``.
    ``trace``     write a VCD file of everything (slow; a library of its own).

    Raises :class:`.toolchain.ToolError` if the simulator cannot be built, ``ValueError`` for wrong arguments.
    """

    def __init__(
        self,
        params: Params,
        *,
        rate: int | Iterable[int] = 1_000_000_000,
        tx_rate: int | Iterable[int] | None = None,
        design: Design | None = None,
        link_baud: int = 0,
        tx_stall: float = 0.0,
        rx_gap: float = 0.0,
        seed: int = 0,
        trace: Path | None = None,
        progress: Progress | None = None,
    ):
        rx_rates = _per_port(params, "rate", rate)
        tx_rates = rx_rates if tx_rate is None else _per_port(params, "tx_rate", tx_rate)
        if not (0 <= tx_stall < 1 and 0 <= rx_gap < 1):
            raise ValueError("tx_stall and rx_gap must be at least 0 and below 1")
        if link_baud < 0:
            raise ValueError(f"link_baud must not be negative: {link_baud}")
        self.params = params
        self.library = board_library(
            params, design, trace=trace is not None, progress=progress or (lambda _: None)
        )
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._lib: Any = ffi.dlopen(str(self.library))
        self._board: Any = ffi.gc(self._lib.board_new(params.clock_hz), self._lib.board_free)
        for port, (rx, tx) in enumerate(zip(rx_rates, tx_rates, strict=True)):
            self._lib.board_set_rate(self._board, port, rx, tx)
        self._lib.board_set_stalls(self._board, seed, int(tx_stall * 65536), int(rx_gap * 65536))
        self._lib.board_set_baud(self._board, link_baud)
        if trace is not None:
            self._lib.board_trace(self._board, str(trace).encode())

    def close(self) -> None:
        """Release the simulator. Closing twice is harmless; using a closed board raises ``ValueError``."""
        with self._lock:
            if self._board is not None:
                ffi.release(self._board)
                self._board = None
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Any:
        if self._board is None:
            raise ValueError("the board is closed")
        return self._board

    def _port(self, port: int) -> int:
        if not 0 <= port < self.params.ports:
            raise ValueError(f"port must be from 0 to {self.params.ports - 1}, not {port}")
        return port

    def send(
        self, port: int, frame: bytes, time_ns: int | None = None, *, pad: bool = True, error: bool = False
    ) -> None:
        """Queue a frame without FCS for a port.

        Its first octet arrives at ``time_ns`` (default: now), later if earlier frames still occupy the wire.
        ``pad=False`` lets a runt through as it is; ``error`` makes its FCS wrong.
        """
        if not frame:
            raise ValueError("a frame has at least one octet")
        with self._lock:
            self._lib.board_send(self._open(), self._port(port), frame, len(frame), time_ns or 0, pad, error)
            self._changed.notify_all()

    def pending(self, port: int) -> int:
        """Frames that have not completely entered the core."""
        with self._lock:
            return int(self._lib.board_pending(self._open(), self._port(port)))

    def received(self, port: int) -> list[Received]:
        """Frames that have left a port since the last call, in order."""
        self._port(port)
        frames = []
        with self._lock:
            info = ffi.new("board_frame_info *")
            while length := self._lib.board_next_length(self._open(), port):
                octets = bytearray(length)
                self._lib.board_receive(self._open(), port, ffi.from_buffer(octets), info)
                frames.append(Received(bytes(octets), info.start_ns, info.end_ns, bool(info.error)))
        return frames

    def run(
        self,
        until_ns: int | None = None,
        *,
        max_clocks: int | None = None,
        idle: bool = False,
        link: bool = False,
        frame: bool = False,
    ) -> Stop:
        """Run the clock until simulated time ``until_ns``, at most ``max_clocks`` clocks.

        Returns earlier, on request, when nothing is left to happen (``idle``), when octets of the host link
        can be read (``link``), or when a frame has left a port (``frame``).
        """
        if until_ns is None and max_clocks is None and not (idle or link or frame):
            raise ValueError("a run needs an end")
        stop = idle * _STOP_IDLE | link * _STOP_LINK | frame * _STOP_FRAME
        until = _NEVER if until_ns is None else until_ns
        while True:
            batch = _BATCH_CLOCKS if max_clocks is None else min(_BATCH_CLOCKS, max_clocks)
            with self._lock:
                reason = Stop(self._lib.board_run(self._open(), until, max(batch, 1), stop))
            if reason is not Stop.CLOCKS:
                return reason
            if max_clocks is not None:
                max_clocks -= batch
                if max_clocks <= 0:
                    return reason

    def run_until_idle(self, limit_ns: int = 10_000_000_000) -> None:
        """Run until every frame sent has been dealt with and the core is quiet.

        Raises ``TimeoutError`` if that takes more than ``limit_ns`` of simulated time.
        """
        if self.run(self.time_ns + limit_ns, idle=True) is Stop.TIME and not self.idle:
            raise TimeoutError(f"the core is still busy after {limit_ns} ns")

    @property
    def idle(self) -> bool:
        with self._lock:
            return bool(self._lib.board_idle(self._open()))

    @property
    def time_ns(self) -> int:
        """Simulated time since reset."""
        with self._lock:
            return int(self._lib.board_time_ns(self._open()))

    @property
    def clocks(self) -> int:
        """Clocks that were really simulated, without the idle ones that were skipped."""
        with self._lock:
            return int(self._lib.board_clocks(self._open()))

    def stats(self, port: int) -> PortStats:
        with self._lock:
            s = ffi.new("board_port_stats *")
            self._lib.board_stats(self._open(), self._port(port), s)
        return PortStats(s.rx_frames, s.rx_octets, s.tx_frames, s.tx_octets, s.underruns)

    def link_write(self, octets: bytes) -> None:
        """Queue octets for the core's host link."""
        with self._lock:
            self._lib.board_link_write(self._open(), octets, len(octets))
            self._changed.notify_all()

    def link_read(self, room: int = 65536) -> bytes:
        """Octets that the core has sent on the host link, possibly none. Does not run the clock."""
        with self._lock:
            length = min(room, self._lib.board_link_available(self._open()))
            octets = bytearray(length)
            if length:
                self._lib.board_link_read(self._open(), ffi.from_buffer(octets), length)
        return bytes(octets)

    def run_live(self, attachments: Any, link_fd: int, stop_fd: int) -> list[LiveStats]:
        """The live loop of board.h, until ``stop_fd`` becomes readable; no other method works before that.

        Returns the counters per port. Raises :class:`LiveError` if an interface or the pty fails.
        """
        stats = ffi.new("board_attachment_stats[]", self.params.ports)
        port = ffi.new("int *")
        with self._lock:
            error = self._lib.board_live(self._open(), attachments, stats, link_fd, stop_fd, port)
        if error:
            raise LiveError(port[0], error)
        return [LiveStats(s.received, s.sent, s.offloaded, s.not_sent) for s in stats]

    def link_transport(self) -> "BoardTransport":
        """Transport for the host software in this process: running the clock while the host waits."""
        return BoardTransport(self)

    def link_client(self) -> LinkClient:
        """The host link's client in this process. It is patient: nothing gets lost, but a busy machine may be slow."""
        return LinkClient(self.link_transport(), timeout=60.0, attempts=2)

    def link_exchange(self, timeout: float) -> bytes:
        """Run the clock until the core sends octets, for at most ``timeout`` seconds of real time.

        Once the board is idle nothing can come before someone sends something; then this sleeps.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                reason = self._lib.board_run(self._open(), _NEVER, _BATCH_CLOCKS, _STOP_IDLE | _STOP_LINK)
                if octets := self.link_read():
                    return octets
                left = deadline - time.monotonic()
                if left <= 0:
                    return b""
                if reason == Stop.IDLE:
                    self._changed.wait(left)


class BoardTransport:
    """The host link of a :class:`VirtualBoard` as the host software wants it."""

    def __init__(self, board: VirtualBoard):
        self.board = board

    def read(self, timeout: float) -> bytes:
        """Whatever octets have come, waiting up to ``timeout`` seconds for the first; empty after that."""
        return self.board.link_exchange(timeout)

    def write(self, octets: bytes) -> None:
        self.board.link_write(octets)

    def close(self) -> None:
        """The board stays open: it belongs to whoever made it."""
