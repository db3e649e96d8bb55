"""A serial line with errors: octets damaged, lost and repeated."""

import os
import random
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NoisyLine", "noisy_line"]


class NoisyLine(threading.Thread):
    """Between a pty of its own and ``device``; every octet goes wrong with ``odds``."""

    def __init__(self, device: Path, odds: float, seed: int):
        super().__init__()
        self._rng = random.Random(seed)
        self._odds = odds
        self._master, self._client = os.openpty()
        self._device = os.open(device, os.O_RDWR | os.O_NOCTTY)
        for end in (self._client, self._device):
            tty.setraw(end)
        self.name_of_client = os.ttyname(self._client)
        self.octets = self.wrong = 0
        self._ending = threading.Event()

    def run(self) -> None:
        ways = {self._master: self._device, self._device: self._master}
        while not self._ending.is_set():
            for source in select.select([*ways], [], [], 0.1)[0]:
                octets = os.read(source, 4096)
                self.octets += len(octets)
                rest = b"".join(self._carried(octet) for octet in octets)
                while rest:
                    rest = rest[os.write(ways[source], rest) :]

    def _carried(self, octet: int) -> bytes:
        if self._rng.random() >= self._odds:
            return bytes([octet])
        self.wrong += 1
        return self._rng.choice((b"", bytes([octet, octet]), bytes([octet ^ 1 << self._rng.randrange(8)])))

    def close(self) -> None:
        self._ending.set()
        self.join()
        for end in (self._master, self._client, self._device):
            os.close(end)


@contextmanager
def noisy_line(device: Path, odds: float, seed: int) -> Iterator[NoisyLine]:
    line = NoisyLine(device, odds, seed)
    line.start()
    try:
        yield line
    finally:
        line.close()
