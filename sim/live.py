"""Live operation of a virtual board: one process, its ports on Linux interfaces, its host link a pty.

The pty looks like a serial port to the host software: open the path given by ``link``. Clients may come and
go. Simulated time is not real time here: frames enter as soon as they come, one at a time over all ports, at
the full speed of the datapath, and leave at that speed too; so a core that forwards at line rate drops nothing,
and a frame takes as few clocks as it can. ``second`` strobes follow the real clock. While nothing happens the
process sleeps.
"""

import os
import signal
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opentep.gateware.params import Params

from .board import LiveError, LiveStats, VirtualBoard, ffi
from .interfaces import Attachment, InterfaceError, open_attachment
from .signals import terminable
from .verilate import Design, Progress

__all__ = ["BoardConfig", "PortConfig", "run_board"]


@dataclass(frozen=True)
class PortConfig:
    """One port of a live board."""

    name: str
    attachment: Attachment


@dataclass(frozen=True)
class BoardConfig:
    """Everything a live board needs."""

    params: Params
    ports: tuple[PortConfig, ...]
    """In the gateware's order: access ports first."""
    link: Path | None = None
    """Where the pty of the host link shall appear (a symbolic link, removed at the end)."""
    rate: int | None = None
    """Simulated bits per second into the core, all ports together; default is the speed of the datapath."""
    capture: Path | None = None
    """Folder for one pcap file per port, written while running: both directions, real time stamps."""
    design: Design | None = None
    """Gateware other than the complete TEP."""

    def __post_init__(self) -> None:
        if len(self.ports) != self.params.ports:
            raise ValueError(f"the core has {self.params.ports} ports, {len(self.ports)} are configured")
        names = [port.name for port in self.ports]
        if len(set(names)) != len(names):
            raise ValueError(f"port names must differ: {', '.join(names)}")


@contextmanager
def _pty(link: Path | None) -> Iterator[int]:
    """Master of a raw pty that appears at ``link``; -1 without one.

    The client's end stays open here too, so that a client that goes away is no hang-up.
    """
    if link is None:
        yield -1
        return
    if link.exists() and not link.is_symlink():
        raise InterfaceError(f"{link} exists and is no symbolic link")
    if not link.parent.is_dir():
        raise InterfaceError(f"{link.parent}, where the link shall appear, is no folder")
    master, client = os.openpty()
    try:
        tty.setraw(client)
        os.set_blocking(master, False)
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.symlink_to(os.ttyname(client))
        fresh.replace(link)
        try:
            yield master
        finally:
            if link.is_symlink() and str(link.readlink()) == os.ttyname(client):
                link.unlink()
    finally:
        os.close(master)
        os.close(client)


@contextmanager
def _stop_by_signal() -> Iterator[int]:
    """File descriptor that becomes readable on SIGINT or SIGTERM (main thread only; else it never does)."""
    wake, waker = socket.socketpair()
    with wake, waker:
        if threading.current_thread() is not threading.main_thread():
            yield wake.fileno()
            return
        waker.setblocking(False)
        previous = {name: signal.signal(name, lambda *_: None) for name in (signal.SIGINT, signal.SIGTERM)}
        old = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            yield wake.fileno()
        finally:
            signal.set_wakeup_fd(old)
            for name, handler in previous.items():
                signal.signal(name, handler)


def run_board(
    config: BoardConfig,
    *,
    progress: Progress | None = None,
    ready: Callable[[], None] | None = None,
    stop_fd: int | None = None,
) -> dict[str, LiveStats]:
    """Run a board until SIGINT or SIGTERM, or until ``stop_fd`` becomes readable; then clean up.

    ``ready`` is called once everything is attached (the link exists by then). Returns the counters by port.
    Raises :class:`.interfaces.InterfaceError` for interfaces that cannot be used or vanish,
    :class:`.toolchain.ToolError` if the simulator cannot be built.
    """
    params = config.params
    datapath = params.width * params.clock_hz
    with ExitStack() as stack:
        with terminable():
            board = stack.enter_context(
                VirtualBoard(
                    params,
                    rate=config.rate or datapath,
                    tx_rate=datapath,
                    design=config.design,
                    progress=progress,
                )
            )
        stop = stack.enter_context(_stop_by_signal()) if stop_fd is None else stop_fd
        attachments = ffi.new("board_attachment[]", params.ports)
        names = []
        for port, target in zip(config.ports, attachments, strict=True):
            target.fd = open_attachment(port.attachment, mtu=params.max_frame - 18)
            if target.fd >= 0:
                stack.callback(os.close, target.fd)
            target.packet = port.attachment.kind == "dev"
            if config.capture is not None:
                config.capture.mkdir(parents=True, exist_ok=True)
                names.append(ffi.new("char[]", str(config.capture / f"{port.name}.pcap").encode()))
                target.capture = names[-1]
        master = stack.enter_context(_pty(config.link))
        if ready is not None:
            ready()
        try:
            stats = board.run_live(attachments, master, stop)
        except LiveError as error:
            where = f"port {config.ports[error.port].name}" if error.port >= 0 else "host link"
            raise InterfaceError(f"{where}: {error}") from None
        return {port.name: counters for port, counters in zip(config.ports, stats, strict=True)}
