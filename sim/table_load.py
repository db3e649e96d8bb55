"""How long a TEP's tables take over a serial line: the Verilated TEP at the other end of the real host software."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass

from opentep.gateware.params import Params
from opentep.host.bench import BITS_PER_OCTET, CountingTransport
from opentep.host.controller import Repository
from opentep.host.controller.objects import Key
from opentep.host.driver import Driver
from opentep.host.fabric.source import read_source
from opentep.host.link.client import LinkClient
from opentep.host.link.shadow import ShadowClient
from opentep.host.registers import RegisterAccess
from opentep.host.store import SqliteStore

from .board import BoardTransport, VirtualBoard

__all__ = ["TableLoad", "filling_document", "measure_table_load"]

_CHANGES = 10


@dataclass(frozen=True)
class TableLoad:
    """One kind of change; medians if it was done several times."""

    what: str
    changes: int
    """Tenants, VMs, TEPs and settings that it concerned."""
    sent: int
    """Octets to the TEP."""
    received: int
    line_seconds: float
    """That the requests and replies took, by the simulated clock."""
    line_use: float
    """Share of the line's octets per second, in the direction that carried more."""
    host_seconds: float
    """That the host software took besides, on this machine, from the store on; with waits for queues to drain."""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def filling_document(params: Params, fill: float) -> str:
    """Two TEPs with cores of ``params``, of whose tables ``fill`` is used: each tenant has a VM here and one there.

    Raises ``ValueError`` if the core is too small for :func:`measure_table_load`, or has other ports."""
    if (params.access_ports, params.fabric_ports) != (1, 1):
        raise ValueError("a core with one access and one fabric port is needed")
    room = min(params.tenants, params.lists, (params.macs - _CHANGES) / 2, params.members - 3 * _CHANGES)
    tenants = int(fill * room)
    if tenants < _CHANGES:
        raise ValueError(f"there must be room for {_CHANGES} tenants, and this is for {max(tenants, 0)}")
    core = {name: getattr(params, name) for name in ("tenants", "macs", "teps", "rules", "lists", "members")}
    lines = ["version: 1", "teps:"]
    for number, tep in enumerate(("here", "there")):
        lines += [
            f"  {tep}:",
            f"    address: fd00:{number}::1",
            f"    core: {{{', '.join(f'{name}: {size}' for name, size in core.items())}}}",
            "    ports:",
            "      server: {role: access}",
            f"      uplink: {{role: fabric, mac: 02:00:5e:00:00:0{number}, next_hop: 02:00:5e:ff:00:0{number}}}",
        ]
    lines += ["tenants:", *(f"  t{number}: {{}}" for number in range(tenants))]
    lines += ["vswitches:", *(f"  {tep}: {{tep: {tep}, port: server}}" for tep in ("here", "there")), "vms:"]
    lines += [
        f"  {tep}{number}: {{tenant: t{number}, vswitch: {tep}}}"
        for number in range(tenants)
        for tep in ("here", "there")
    ]
    return "\n".join(lines) + "\n"


class _Line(CountingTransport):
    """The board's host link; simulating it takes ``seconds``."""

    def __init__(self, board: VirtualBoard):
        super().__init__(BoardTransport(board))
        self.seconds = 0.0

    def write(self, octets: bytes) -> None:
        begun = time.perf_counter()
        super().write(octets)
        self.seconds += time.perf_counter() - begun

    def read(self, timeout: float) -> bytes:
        begun = time.perf_counter()
        octets = super().read(timeout)
        self.seconds += time.perf_counter() - begun
        return octets


def measure_table_load(
    params: Params, baud: int, fill: float = 0.9, tell: Callable[[str], None] = lambda what: None
) -> Iterator[TableLoad]:
    """From empty tables to those of :func:`filling_document`; then single VMs; then all is read back, as agents do now
    and then. Raises :class:`.toolchain.ToolError`, and ``ValueError`` for ``params``."""
    document = read_source(filling_document(params, fill), "bench.yaml")
    with (
        closing(SqliteStore(None)) as store,
        VirtualBoard(params, link_baud=baud, progress=tell) as board,
    ):
        repository = Repository(store, "bench")
        repository.replace("import", document)
        line = _Line(board)
        shadow = ShadowClient(LinkClient(line, timeout=60.0))
        driver = Driver(RegisterAccess(shadow), shadow=shadow)

        def bring(what: str) -> TableLoad:
            before = (line.sent, line.received, line.seconds, board.time_ns)
            begun = time.perf_counter()
            changes = driver.apply(repository.tables("here").tables)
            host = time.perf_counter() - begun - (line.seconds - before[2])
            sent, received = line.sent - before[0], line.received - before[1]
            seconds = (board.time_ns - before[3]) / 1e9
            use = max(sent, received) * BITS_PER_OCTET / baud / seconds
            return TableLoad(what, len(changes), sent, received, seconds, use, host)

        def change(what: str, spec: Callable[[int], object]) -> TableLoad:
            tell(what)
            loads = []
            for number in range(_CHANGES):
                _edit(repository, Key("vms", f"new{number}"), spec(number))
                loads.append(bring(what))
            return _median(loads)

        tell("load all tables")
        yield bring("load all tables")
        yield change("add a VM", lambda number: {"tenant": f"t{number}", "vswitch": "here"})
        yield change("move a VM away", lambda number: {"tenant": f"t{number}", "vswitch": "there"})
        yield change("remove a VM", lambda number: None)
        tell("read all back")
        driver.forget()
        yield bring("read all back")


def _edit(repository: Repository, key: Key, spec: object) -> None:
    repository.edit("bench", lambda _: {key: spec})


def _median(loads: list[TableLoad]) -> TableLoad:
    return TableLoad(
        loads[0].what,
        *(
            statistics.median_low(getattr(load, name) for load in loads)
            for name in ("changes", "sent", "received", "line_seconds", "line_use", "host_seconds")
        ),
    )
