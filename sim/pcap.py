"""Capture files: pcap and pcapng in, pcap with nanosecond time stamps out.

Own code rather than a library: scapy is far too heavy for a run-time dependency; dpkt's pcapng reader knows
only one interface per file and makes times floats, which cannot hold nanoseconds of today's dates;
python-pcapng reads no classic pcap. What replay needs of the two formats fits in this file.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

__all__ = ["CaptureError", "Packet", "PcapWriter", "read_capture", "write_capture"]

_ETHERNET = 1
_PCAP_MICRO = 0xA1B2C3D4
_PCAP_NANO = 0xA1B23C4D
_PCAP_HEADER = "IHHiIII"
_PCAP_RECORD = "IIII"
_PCAP_FCS_PRESENT = 1 << 26

_SECTION = 0x0A0D0D0A
"""Reads the same in both byte orders."""
_SECTION_MAGIC = 0x1A2B3C4D
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 1, 2, 3, 6
_OPT_END, _OPT_TSRESOL, _OPT_FCSLEN, _OPT_TSOFFSET = 0, 9, 13, 14

_MAX_LENGTH = 1 << 24
"""Longest record or block that is believed; a longer one means that the file is damaged."""
_SNAP_LENGTH = 262_144
_SECOND = 1_000_000_000
_LATEST = (1 << 32) * _SECOND
"""Where the time of a pcap file ends."""


class CaptureError(ValueError):
    """A file is no capture that can be replayed; the message names it and says why."""


@dataclass(frozen=True)
class Packet:
    """A captured frame without FCS; ``time`` in nanoseconds since the capture's epoch."""

    time: int
    octets: bytes


def read_capture(path: Path) -> Iterator[Packet]:
    """The frames of a pcap or pcapng file, in file order.

    Raises :class:`CaptureError` for other files, other link types than Ethernet, files that end in
    mid-record, and frames that the capture cut short; :class:`OSError` if the file cannot be read.
    """
    with path.open("rb") as file:
        source = _Source(path, file)
        magic = source.read(4, "file header")
        value = int.from_bytes(magic, "little")
        if value == _SECTION:
            yield from _PcapNg(source).packets()
            return
        for order in "<>":
            if struct.unpack(order + "I", magic)[0] in (_PCAP_MICRO, _PCAP_NANO):
                yield from _read_pcap(source, order, magic)
                return
        raise source.error("neither a pcap nor a pcapng file")


class _Source:
    """A file that is read in whole pieces."""

    def __init__(self, path: Path, file: BinaryIO):
        self.path = path
        self._file = file
        self.number = 0
        """Of the packet being read, from 1, as capture tools count."""

    def error(self, problem: str) -> CaptureError:
        return CaptureError(f"{self.path}: {problem}")

    def read(self, size: int, what: str, may_end: bool = False) -> bytes:
        """``size`` octets; with ``may_end`` nothing at the end of the file."""
        octets = self._file.read(size)
        if len(octets) == size or (may_end and not octets):
            return octets
        if not octets and self._file.tell() == 0:
            raise self.error("the file is empty")
        raise self.error(f"the file is truncated: it ends inside a {what} (after packet {self.number})")

    def packet(self, time: int, octets: bytes, original: int, fcs: int) -> Packet:
        if len(octets) < original:
            raise self.error(
                f"packet {self.number} holds only {len(octets)} of {original} octets;"
                " capture whole frames (tcpdump -s 0)"
            )
        if time >= _LATEST:
            raise self.error(
                f"the time of packet {self.number} is after the year 2106, which no pcap file can tell"
            )
        return Packet(time, octets[: len(octets) - fcs])

    def check_link(self, link: int) -> None:
        if link != _ETHERNET:
            raise self.error(f"link type {link} is not Ethernet ({_ETHERNET})")


def _read_pcap(source: _Source, order: str, magic: bytes) -> Iterator[Packet]:
    header = struct.Struct(order + _PCAP_HEADER)
    value, major, _, _, _, _, network = header.unpack(magic + source.read(header.size - 4, "file header"))
    if major != 2:
        raise source.error(f"pcap version {major} is not supported (only 2)")
    source.check_link(network & 0xFFFF)
    fcs = (network >> 28) * 2 if network & _PCAP_FCS_PRESENT else 0
    unit = 1 if value == _PCAP_NANO else 1000
    record = struct.Struct(order + _PCAP_RECORD)
    while octets := source.read(record.size, "record header", may_end=True):
        seconds, fraction, captured, original = record.unpack(octets)
        source.number += 1
        if captured > _MAX_LENGTH:
            raise source.error(f"packet {source.number} claims {captured} octets; the file is damaged")
        data = source.read(captured, "packet")
        yield source.packet(seconds * _SECOND + fraction * unit, data, original, fcs)


@dataclass(frozen=True)
class _Interface:
    """Capture device of a pcapng section."""

    snap_length: int
    ticks: int
    """Per second."""
    offset: int
    """Added to all times, in seconds."""
    fcs: int

    def time(self, high: int, low: int) -> int:
        return self.offset * _SECOND + (high << 32 | low) * _SECOND // self.ticks


class _PcapNg:
    """Reader of the pcapng format (draft-ietf-opsawg-pcapng)."""

    def __init__(self, source: _Source):
        self._source = source
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._time = 0
        """Of the packet before: simple packet blocks have none of their own."""

    def packets(self) -> Iterator[Packet]:
        """Start behind the first block's type, which the caller has read."""
        self._section()
        while octets := self._source.read(4, "block header", may_end=True):
            if int.from_bytes(octets, "little") == _SECTION:
                self._section()
                continue
            (kind,) = struct.unpack(self._order + "I", octets)
            (length,) = struct.unpack(self._order + "I", self._source.read(4, "block header"))
            body = self._body(length, 8)
            if kind == _INTERFACE:
                self._interfaces.append(self._interface(body))
            elif kind in (_ENHANCED_PACKET, _OLD_PACKET, _SIMPLE_PACKET):
                yield self._packet(kind, body)

    def _section(self) -> None:
        """A section header: a new byte order and no interfaces yet."""
        octets = self._source.read(8, "section header")
        for order in "<>":
            length, magic = struct.unpack(order + "II", octets)
            if magic == _SECTION_MAGIC:
                self._order, self._interfaces = order, []
                self._body(length, 12)
                return
        raise self._source.error("a pcapng section has no byte-order magic; the file is damaged")

    def _body(self, length: int, already: int) -> bytes:
        """Rest of a block of ``length`` octets in all, of which ``already`` are read."""
        if length % 4 or not already + 4 <= length <= _MAX_LENGTH:
            raise self._source.error(f"a pcapng block claims {length} octets; the file is damaged")
        return self._source.read(length - already, "block")[:-4]

    def _unpack(self, shape: str, body: bytes) -> tuple[int, ...]:
        if len(body) < struct.calcsize(self._order + shape):
            raise self._source.error("a pcapng block is too short; the file is damaged")
        return struct.unpack_from(self._order + shape, body)

    def _interface(self, body: bytes) -> _Interface:
        link, _, snap_length = self._unpack("HHI", body)
        self._source.check_link(link)
        options = self._options(body[8:])
        resolution = options.get(_OPT_TSRESOL, b"\x06")[0]
        ticks = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        offset = int.from_bytes(
            options.get(_OPT_TSOFFSET, b"\0"), "little" if self._order == "<" else "big", signed=True
        )
        return _Interface(snap_length, ticks, offset, options.get(_OPT_FCSLEN, b"\0")[0])

    def _options(self, octets: bytes) -> dict[int, bytes]:
        options = {}
        while len(octets) >= 4:
            code, length = self._unpack("HH", octets)
            if code == _OPT_END or not 0 < length <= len(octets) - 4:
                break
            options[code] = octets[4 : 4 + length]
            octets = octets[4 + length + -length % 4 :]
        return options

    def _packet(self, kind: int, body: bytes) -> Packet:
        self._source.number += 1
        if kind == _SIMPLE_PACKET:
            (original,) = self._unpack("I", body)
            interface, data = self._at(0), body[4:]
            captured = min(original, interface.snap_length or original)
        else:
            shape = "HHIIII" if kind == _OLD_PACKET else "IIIII"
            *which, high, low, captured, original = self._unpack(shape, body)
            interface, data = self._at(which[0]), body[20:]
            self._time = interface.time(high, low)
        if captured > len(data):
            raise self._source.error(
                f"packet {self._source.number} is longer than its block; the file is damaged"
            )
        return self._source.packet(self._time, data[:captured], original, interface.fcs)

    def _at(self, index: int) -> _Interface:
        if index >= len(self._interfaces):
            raise self._source.error(
                f"packet {self._source.number} names interface {index}, which is missing"
            )
        return self._interfaces[index]


class PcapWriter:
    """Writes a pcap file with nanosecond time stamps; a context manager."""

    def __init__(self, path: Path):
        self._file = path.open("wb")
        self._file.write(struct.pack("<" + _PCAP_HEADER, _PCAP_NANO, 2, 4, 0, 0, _SNAP_LENGTH, _ETHERNET))

    def write(self, packet: Packet) -> None:
        seconds, nanoseconds = divmod(packet.time, _SECOND)
        length = len(packet.octets)
        self._file.write(
            struct.pack("<" + _PCAP_RECORD, seconds, nanoseconds, length, length) + packet.octets
        )

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "PcapWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_capture(path: Path, packets: Iterable[Packet]) -> None:
    """Write ``packets`` to a new file."""
    with PcapWriter(path) as writer:
        for packet in packets:
            writer.write(packet)
