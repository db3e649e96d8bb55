"""Offered traffic: frames that are sent again and again, and what the wires can carry of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from opentep.gateware.params import MIN_FRAME

from ..wire import OVERHEAD

__all__ = ["STAMP", "Load", "Stream", "Variant", "fitted", "wire_octets", "wire_seconds"]

STAMP = 8
"""Octets at the end of every frame that say which one it is."""


def wire_octets(length: int) -> int:
    """Octet times that a frame of ``length`` octets without FCS takes, with preamble, FCS and gap."""
    return max(length, MIN_FRAME) + OVERHEAD


def wire_seconds(octets: int, rate: int) -> float:
    """How long a wire of ``rate`` bit/s is busy with ``octets``."""
    return 8 * octets / rate


@dataclass(frozen=True, eq=False)
class Variant:
    """A frame whose last :data:`STAMP` octets are to be replaced, and the copies that must leave for it."""

    name: str
    frame: bytes
    copies: tuple[tuple[int, bytes], ...]
    """(port, frame without its stamp)."""

    @property
    def octets(self) -> int:
        return wire_octets(len(self.frame))

    def octets_out(self, port: int) -> int:
        """Octet times of its copies on the wire of ``port``."""
        return sum(wire_octets(len(body) + STAMP) for out, body in self.copies if out == port)


@dataclass(frozen=True)
class Stream:
    """``variants`` in turn, into one port, at up to ``limit`` of the line's rate."""

    port: int
    variants: tuple[Variant, ...]
    limit: float = 1.0

    @property
    def octets(self) -> int:
        """Octet times of one round."""
        return sum(variant.octets for variant in self.variants)

    def limit_rate(self, rate: int) -> float:
        """Frames per second at the limit."""
        return self.line_rate(rate) * self.limit

    def line_rate(self, rate: int) -> float:
        """Frames per second of a full line."""
        return len(self.variants) / wire_seconds(self.octets, rate)

    def times(self, rate: int, share: float) -> Iterator[tuple[float, Variant]]:
        """(start in ns, variant), endless, at ``share`` of the line's rate."""
        octet_ns = 8e9 / rate / share
        octets = 0
        for variant in cycle(self.variants):
            yield octets * octet_ns, variant
            octets += variant.octets


@dataclass(frozen=True)
class Load:
    """Streams that run at once. ``flow`` and ``size`` name it."""

    flow: str
    size: str
    streams: tuple[Stream, ...]

    def limit_rate(self, rate: int) -> float:
        """Frames per second that enter at the limit, all streams together."""
        return sum(stream.limit_rate(rate) for stream in self.streams)

    @property
    def at_line_rate(self) -> bool:
        """Whether the outputs can carry full lines."""
        return all(stream.limit == 1 for stream in self.streams)

    @property
    def longest_out(self) -> int:
        """Octet times of the longest copy."""
        return max(
            wire_octets(len(body) + STAMP)
            for stream in self.streams
            for variant in stream.variants
            for _, body in variant.copies
        )


def _busiest(streams: Iterable[Stream]) -> float:
    use: dict[int, float] = {}
    for stream in streams:
        for port in {port for variant in stream.variants for port, _ in variant.copies}:
            octets = sum(variant.octets_out(port) for variant in stream.variants)
            use[port] = use.get(port, 0.0) + octets / stream.octets
    return max(use.values(), default=0.0)


def fitted(sources: Sequence[tuple[int, Sequence[Variant]]]) -> tuple[Stream, ...]:
    """Streams into ports, all limited by the same share of their lines, so that every output can carry them."""
    streams = [Stream(port, tuple(variants)) for port, variants in sources]
    limit = min(1.0, 1 / max(_busiest(streams), 1e-9))
    return tuple(Stream(stream.port, stream.variants, limit) for stream in streams)
