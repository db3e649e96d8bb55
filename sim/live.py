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
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from opentep.gateware.params import Params

from .board import LiveError, LiveStats, VirtualBoard, ffi
from .interfaces import Attachment, InterfaceError, open_attachment
from .signals import terminable
from .toolchain import ToolError
from .verilate import Design, Progress

__all__ = ["BoardConfig", "PortConfig", "board_command", "run_board"]


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


def _parse_params(settings: tuple[str, ...]) -> Params:
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not value.isdigit():
            raise click.BadParameter(f"{setting!r} is not NAME=NUMBER", param_hint="--param")
        values[name] = int(value)
    try:
        return Params(**values)
    except (TypeError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--param") from None


def _parse_port(text: str) -> PortConfig:
    name, equals, attachment = text.partition("=")
    if not equals or not name or "/" in name:
        raise click.BadParameter(f"{text!r} is not NAME=KIND:INTERFACE[@NETNS]", param_hint="--port")
    try:
        return PortConfig(name, Attachment.parse(attachment))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--port") from None


@click.command("board")
@click.option(
    "--port",
    "ports",
    multiple=True,
    required=True,
    metavar="NAME=KIND:IFACE[@NETNS]",
    help="Attach the next port (access ports first). KIND is tap (made if missing) or dev (an existing "
    "interface); NAME=none leaves the port open. NETNS is a network namespace by name or path.",
)
@click.option(
    "--link",
    type=click.Path(path_type=Path),
    help="Where the pty of the host link shall appear; use it like a serial port.",
)
@click.option("--rate", type=click.IntRange(min=1), help="Simulated speed into the core, in bit/s.")
@click.option(
    "--capture",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write what passes each port to FOLDER/NAME.pcap.",
)
@click.option(
    "--param", "settings", multiple=True, metavar="NAME=NUMBER", help="Build parameter of the core."
)
def board_command(
    ports: tuple[str, ...],
    link: Path | None,
    rate: int | None,
    capture: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Run the gateware as a live virtual board: ports on network interfaces, host link on a pty.

    Runs until SIGINT or SIGTERM. The first start builds the simulator, which takes a while.
    """
    params = _parse_params(settings)
    try:
        config = BoardConfig(params, tuple(map(_parse_port, ports)), link, rate, capture)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    attached = ", ".join(f"{port.name} = {port.attachment}" for port in config.ports)
    try:
        stats = run_board(
            config,
            progress=lambda message: click.echo(message, err=True),
            ready=lambda: click.echo(f"running: {attached}" + (f", link {link}" if link else "")),
        )
    except (InterfaceError, ToolError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from None
    for name, counters in stats.items():
        click.echo(f"{name}: " + ", ".join(f"{what} {count}" for what, count in asdict(counters).items()))


if __name__ == "__main__":
    board_command()
