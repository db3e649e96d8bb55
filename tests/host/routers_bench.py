"""Routers behind a TEP in memory, which has no ports to hear them by."""

from types import SimpleNamespace

import pytest
from opentep.host.neighbours import cache, service
from opentep.host.neighbours.cache import Key
from opentep.host.neighbours.messages import Advertisement, parse

__all__ = ["Routers", "routers"]


class Routers:
    """``macs`` of those that answer."""

    def __init__(self) -> None:
        self.macs: dict[Key, int] = {}
        self._answers: list[SimpleNamespace] = []

    def inject(self, registers: object, port: int, frame: bytes) -> None:
        question = parse(frame)
        assert question is not None
        if mac := self.macs.get((port, question.target)):
            answer = Advertisement(question.target, mac, solicited=True, override=True)
            self._answers.append(SimpleNamespace(port=port, octets=answer))

    def select(self, selection: object) -> None:
        """All that comes is wanted."""

    def fetch(self) -> list[SimpleNamespace]:
        answers, self._answers = self._answers, []
        return answers


@pytest.fixture
def routers(monkeypatch: pytest.MonkeyPatch) -> Routers:
    """In a hurry: who is silent is so after some hundredths of a second."""
    found = Routers()
    monkeypatch.setattr(service, "inject", found.inject)
    monkeypatch.setattr(service, "Punts", lambda _: found)
    monkeypatch.setattr(service, "parse", lambda answer: answer)
    monkeypatch.setattr(service, "_PAUSE", 0.001)
    monkeypatch.setattr(cache, "RETRANS", 0.005)
    return found
