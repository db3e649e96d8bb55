"""Measures the host link with harmless requests: a running TEP notices nothing."""

import time
from dataclasses import asdict, dataclass

from opentep.host.link.client import LinkClient
from opentep.host.link.protocol import BURST_WORDS, REPEAT, Read, Write
from opentep.host.link.transport import Transport
from opentep.host.registers import RegisterAccess

__all__ = ["BITS_PER_OCTET", "CountingTransport", "Measurement", "measure_link"]

BITS_PER_OCTET = 10
"""On a UART: start bit, eight data bits, stop bit."""


class CountingTransport:
    """Another transport, with its octets counted."""

    def __init__(self, inner: Transport):
        self._inner = inner
        self.sent = 0
        self.received = 0

    def write(self, octets: bytes) -> None:
        self.sent += len(octets)
        self._inner.write(octets)

    def read(self, timeout: float) -> bytes:
        octets = self._inner.read(timeout)
        self.received += len(octets)
        return octets

    def close(self) -> None:
        self._inner.close()


@dataclass(frozen=True)
class Measurement:
    """One way of using the link for a while."""

    what: str
    seconds: float
    words: int
    """Register words carried."""
    octets: int
    """On the line, in the direction that carries the words."""
    resent: int
    """Requests that had to be sent again."""

    @property
    def words_per_second(self) -> float:
        return self.words / self.seconds

    def line_use(self, baud: int) -> float:
        """Share of the line's octets per second that was used."""
        return self.octets / self.seconds / (baud / BITS_PER_OCTET)

    def payload_share(self, baud: int) -> float:
        """Share of the line's octets per second that carried register words."""
        return 4 * self.words / self.seconds / (baud / BITS_PER_OCTET)

    def as_dict(self, baud: int | None) -> dict[str, object]:
        result: dict[str, object] = {**asdict(self), "words_per_second": self.words_per_second}
        if baud is not None:
            result |= {"line_use": self.line_use(baud), "payload_share": self.payload_share(baud)}
        return result


def measure_link(transport: Transport, seconds: float = 2.0) -> list[Measurement]:
    """Write bursts to the scratch register, then read bursts of it; about ``seconds`` each."""
    line = CountingTransport(transport)
    client = LinkClient(line)
    scratch = RegisterAccess(client).memory_map["control.scratch"].start
    kinds: list[tuple[str, Read | Write]] = [
        ("write", Write(scratch, tuple(range(BURST_WORDS)), step=REPEAT)),
        ("read", Read(scratch, BURST_WORDS, step=REPEAT)),
    ]
    results = []
    for what, request in kinds:
        count = 16
        while True:
            before = (line.sent, line.received, client.statistics.resent)
            start = time.perf_counter()
            client.execute([request] * count)
            taken = time.perf_counter() - start
            if taken >= seconds / 2:
                break
            count = max(2 * count, int(count * seconds / max(taken, 1e-3) * 0.8))
        octets = line.sent - before[0] if what == "write" else line.received - before[1]
        resent = client.statistics.resent - before[2]
        results.append(Measurement(what, taken, count * BURST_WORDS, octets, resent))
    return results
