"""Frames that were captured somewhere, dressed as traffic of a port."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..pcap import CaptureError, read_capture
from ..traffic import mutate
from ..wire import pad

__all__ = ["LONGEST", "Captured", "read_captures"]

LONGEST = 1600
"""Octets; what is longer is cut."""
_TAG = b"\x81\x00"
_INNER = 54
"""Where a tunnelled frame is, or what stands in front of it."""
_OVERHEADS = {143: 0, 97: 2, 47: 8, 17: 16}
"""By next header: octets in front of the tunnelled frame."""
_UDP = 17
_AS_IT_IS = 0.2
"""Share of frames that keep their addresses and tag."""


def read_captures(paths: Iterable[Path]) -> tuple[bytes, ...]:
    """The frames of all files, pcap or pcapng. Raises :class:`~..pcap.CaptureError`, OSError."""
    frames: list[bytes] = []
    for path in paths:
        before = len(frames)
        frames += (packet.octets[:LONGEST] for packet in read_capture(path))
        if len(frames) == before:
            raise CaptureError(f"{path}: the capture has no frames; capture some, or leave it out")
    return tuple(frames)


class Captured:
    """An endless source of frames of ``frames``, drawn from ``rng``, no longer than ``longest`` octets."""

    def __init__(self, frames: Sequence[bytes], rng: random.Random, longest: int, mutation: float):
        self._frames = frames
        self._rng = rng
        self._longest = longest
        self._mutation = mutation

    def frame(self, model: bytes, is_fabric: bool) -> bytes:
        """One that could come where ``model`` comes, with that one's addresses and tag, or its tunnel; damaged as other
        traffic is."""
        frame = self._rng.choice(self._frames)
        if self._rng.random() >= _AS_IT_IS:
            frame = _tunnelled(model, frame) if is_fabric else _dressed(model, frame)
        if self._rng.random() < self._mutation:
            frame = mutate(self._rng, frame)
        return pad(frame[: self._longest])


def _dressed(model: bytes, frame: bytes) -> bytes:
    """``frame`` with the addresses of ``model``, and its tag, if any, instead of its own. One to a group stays so."""
    dst = frame[:6] if frame[:1] and frame[0] & 1 else model[:6]
    tag = model[12:16] if model[12:14] == _TAG else b""
    return dst + model[6:12] + tag + frame[16 if frame[12:14] == _TAG else 12 :]


def _tunnelled(model: bytes, frame: bytes) -> bytes:
    """``frame`` in the tunnel of ``model``; with its outer destination if that is none."""
    overhead = _OVERHEADS.get(model[20])
    if overhead is None:
        return model[:6] + frame[6:]
    at = _INNER + overhead
    payload = model[_INNER:at] + _dressed(model[at : at + 12], frame)
    length = len(payload).to_bytes(2, "big")
    if model[20] == _UDP:
        payload = payload[:4] + length + payload[6:]
    return model[:18] + length + model[20:_INNER] + payload
