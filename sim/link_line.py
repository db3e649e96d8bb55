"""The host link alone, Verilated, with the real host client at the other end of its line.

For tests of the protocol and for :func:`measure`: how much of the line's rate is table data.
"""

import ctypes
import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out, connect
from opentep.gateware.csr.bank import Bank
from opentep.gateware.csr.element import Access, Register, Table
from opentep.gateware.csr.memory_map import Builder, MemoryMap
from opentep.gateware.hostlink.link import HostLink
from opentep.gateware.hostlink.uart import Uart
from opentep.gateware.tables.memory import TableMemory
from opentep.host.link.client import LinkClient
from opentep.host.link.protocol import BURST_WORDS, Write
from opentep.host.link.transport import CallableTransport

from .cache import cache_folder, forget, write_atomically
from .toolchain import (
    MAKE_VARIABLES,
    ToolError,
    provide_yosys,
    require_tools,
    tool_versions,
    verilator_command,
    verilator_environment,
)

__all__ = ["CLOCK_HZ", "LinkBoard", "LinkLine", "link_memory_map", "measure"]

CLOCK_HZ = 125_000_000
BAUD = 3_000_000
_KEEP = 4
"""Simulators kept in the cache."""
_ENTRIES = {"table": (80, 64), "wide_table": (512, 32)}
"""Name to (bits, depth) of the tables behind the link."""


def link_memory_map() -> MemoryMap:
    """A small register space."""
    builder = Builder()
    builder.add("magic", Register(32, "Magic.", access=Access.READ, constant=0x600DF00D))
    builder.add("scratch", Register(32, "Scratch."))
    builder.add("wide", Register(128, "Four words."))
    for name, (bits, depth) in _ENTRIES.items():
        builder.add(name, Table(bits, depth, "Some entries."))
    return builder.as_memory_map()


class LinkBoard(Component):
    """UART, host link, and a register bank with tables. With ``pins`` the link's octets come from the UART."""

    def __init__(self) -> None:
        super().__init__(
            {
                "pins": In(1),
                "rx_pin": In(1, init=1),
                "tx_pin": Out(1),
                "rx_valid": In(1),
                "rx_octet": In(8),
                "rx_ready": Out(1),
                "tx_valid": Out(1),
                "tx_octet": Out(8),
                "tx_ready": In(1),
                "write_done": Out(1),
                "write_address": Out(20),
                "errors": Out(32),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = HostLink()
        m.submodules.uart = uart = Uart(CLOCK_HZ, BAUD)
        m.submodules.bank = bank = Bank(link_memory_map())
        for name, (bits, depth) in _ENTRIES.items():
            m.submodules[name] = table = TableMemory(bits, depth, clear=bits)
            connect(m, getattr(bank, name), table.bus)
        connect(m, link.bus, bank.bus)
        m.d.comb += [uart.rx_pin.eq(self.rx_pin), self.tx_pin.eq(uart.tx_pin)]
        with m.If(self.pins):
            m.d.comb += [
                link.rx.valid.eq(uart.rx.valid),
                link.rx.payload.eq(uart.rx.payload),
                uart.rx.ready.eq(link.rx.ready),
                uart.tx.valid.eq(link.tx.valid),
                uart.tx.payload.eq(link.tx.payload),
                link.tx.ready.eq(uart.tx.ready),
            ]
        with m.Else():
            m.d.comb += [
                link.rx.valid.eq(self.rx_valid),
                link.rx.payload.eq(self.rx_octet),
                self.rx_ready.eq(link.rx.ready),
                self.tx_valid.eq(link.tx.valid),
                self.tx_octet.eq(link.tx.payload),
                link.tx.ready.eq(self.tx_ready),
            ]
        m.d.comb += [
            self.write_done.eq(link.bus.w_stb & link.bus.ack),
            self.write_address.eq(link.bus.addr),
            self.errors.eq(link.errors),
            self.busy.eq(link.busy),
        ]
        return m


def _build(verilog_text: str, source: Path) -> bytes:
    """Compile the simulator."""
    require_tools()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "link_board.v").write_text(verilog_text)
        command = [
            *(*verilator_command(), "--cc", "--exe", "--build", "-O3", "--x-assign", "fast", "--no-timing"),
            *("-Wno-fatal", "-Wno-lint", "--top-module", "link_board", "--prefix", "Vlink_board"),
            *("-MAKEFLAGS", f"CXX=g++ LINK=g++ {MAKE_VARIABLES}"),
            *("-CFLAGS", "-std=c++17 -fPIC", "-LDFLAGS", "-shared -Wl,-z,defs"),
            *("--Mdir", str(folder / "obj"), "-o", str(folder / "line.so")),
            *(str(folder / "link_board.v"), str(source)),
        ]
        result = subprocess.run(
            command, env=verilator_environment(), capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise ToolError(f"Verilator failed:\n{(result.stdout + result.stderr)[-3000:]}")
        return (folder / "line.so").read_bytes()


@cache
def _library() -> ctypes.CDLL:
    """The simulator, built if the cache does not hold this very design."""
    source = Path(__file__).with_name("link_line.cpp")
    provide_yosys()
    text = verilog.convert(LinkBoard(), name="link_board", strip_internal_attrs=True)
    identity = json.dumps([text, source.read_text(), Path(__file__).read_text(), tool_versions()])
    folder = cache_folder() / "link"
    file = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.so"
    if not file.exists():
        built = _build(text, source)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, built)
        forget(folder.glob("*.so"), keep=_KEEP)
    library = ctypes.CDLL(str(file))
    library.line_new.restype = ctypes.c_void_p
    for name, kinds in {
        "line_new": [ctypes.c_uint],
        "line_free": [ctypes.c_void_p],
        "line_stall": [ctypes.c_void_p, ctypes.c_double],
        "line_pins": [ctypes.c_void_p, ctypes.c_double],
        "line_send": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64],
        "line_run": [ctypes.c_void_p, ctypes.c_uint64],
        "line_clocks": [ctypes.c_void_p],
        "line_receive": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64],
        "line_writes": [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64],
        "line_errors": [ctypes.c_void_p],
        "line_busy": [ctypes.c_void_p],
        "line_stable": [ctypes.c_void_p],
    }.items():
        getattr(library, name).argtypes = kinds
    for name in ("line_clocks", "line_receive", "line_writes"):
        getattr(library, name).restype = ctypes.c_uint64
    library.line_errors.restype = ctypes.c_uint32
    return library


class LinkLine:
    """A simulated device. ``to_device`` and ``to_host`` map octets sent to those that arrive.

    ``stall``   probability that either side of the octet streams waits in a clock.
    ``baud``    the host's rate if the line is a UART at pin level; 0 passes octets directly.
    """

    def __init__(self, seed: int = 0, *, stall: float = 0.0, baud: float = 0.0):
        self._library = _library()
        self._line = self._library.line_new(seed)
        self.memory_map = link_memory_map()
        self.to_device: Callable[[bytes], bytes] = bytes
        self.to_host: Callable[[bytes], bytes] = bytes
        self.step = 1000 if baud else 100
        """Clocks that pass while the host waits for octets once."""
        self.set_stall(stall)
        if baud:
            self._library.line_pins(self._line, CLOCK_HZ / baud)

    def __del__(self) -> None:
        if hasattr(self, "_line"):
            self._library.line_free(self._line)

    def set_stall(self, probability: float) -> None:
        self._library.line_stall(self._line, probability)

    @property
    def now(self) -> float:
        """Simulated time in seconds."""
        return self.clocks / CLOCK_HZ

    @property
    def clocks(self) -> int:
        return int(self._library.line_clocks(self._line))

    @property
    def errors(self) -> int:
        """Damaged frames that the device has counted."""
        return int(self._library.line_errors(self._line))

    @property
    def busy(self) -> bool:
        return bool(self._library.line_busy(self._line))

    @property
    def stable(self) -> bool:
        """Whether the device's octets never changed while they waited."""
        return bool(self._library.line_stable(self._line))

    @property
    def writes(self) -> list[int]:
        """Addresses of all words written on the register bus, in order."""
        count = self._library.line_writes(self._line, None, 0)
        addresses = (ctypes.c_uint32 * count)()
        self._library.line_writes(self._line, addresses, count)
        return list(addresses)

    def run(self, clocks: int) -> None:
        self._library.line_run(self._line, clocks)

    def send(self, octets: bytes) -> None:
        arriving = self.to_device(octets)
        self._library.line_send(self._line, arriving, len(arriving))

    def receive(self, limit: int = 1 << 16) -> bytes:
        self.run(self.step)
        buffer = ctypes.create_string_buffer(limit)
        count = self._library.line_receive(self._line, buffer, limit)
        return self.to_host(buffer.raw[:count])

    def client(self, *, timeout: float = 100e-6, attempts: int = 50) -> LinkClient:
        """The host's client, living in simulated time."""

        def clock() -> float:
            return self.now

        transport = CallableTransport(self.send, self.receive, clock=clock)
        return LinkClient(transport, timeout=timeout, attempts=attempts, clock=clock)


def measure(*, read: bool = False, rounds: int = 8) -> float:
    """Share of the line's octet rate at 3 Mbaud that is table data, loading (or reading) tables over UART pins.

    Start to end, with the wait for the last reply.
    """
    line = LinkLine(baud=BAUD)
    client = line.client(timeout=0.1)
    client.connect()
    resource = line.memory_map["wide_table"]
    words, depth = resource.element.words, _ENTRIES["wide_table"][1]
    per_burst = BURST_WORDS // words
    requests = [
        Write(resource.start + index * words, tuple(range(per_burst * words)), words, 4)
        for _ in range(rounds)
        for index in range(0, depth, per_burst)
    ]
    begin = line.now
    if read:
        for _ in range(rounds):
            client.read(resource.start, depth * words)
    else:
        client.execute(requests)
    octets = rounds * depth * words * 4
    return octets / ((line.now - begin) * BAUD / 10)


if __name__ == "__main__":
    print(f"writing: {measure():.1%} of the line is table data")
    print(f"reading: {measure(read=True):.1%} of the line is table data")
