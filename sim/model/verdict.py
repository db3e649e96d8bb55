"""What is decided about a frame before anything is copied or edited."""

from dataclasses import dataclass

from .reason import Reason

__all__ = ["Answer", "Discard", "Flood", "Suppress", "ToPlace", "Verdict"]


@dataclass(frozen=True)
class Discard:
    """Reason the frame and count ``reason`` on the port it came from."""

    reason: Reason


@dataclass(frozen=True)
class ToPlace:
    """One copy: to VLAN ``target`` of an access port, or to remote TEP ``target`` of a fabric port.

    ``network`` is named in tunnels that have one; ``tenant`` is the index of the tenant it is for. ``oui`` begins the
    group address that its destination is rewritten to, 0 if it is not.
    """

    port: int
    target: int
    tenant: int
    network: int = 0
    oui: int = 0


@dataclass(frozen=True)
class Flood:
    """One copy per member of a replica list, from a fabric port to access ports only.

    ``rewrites``: on fabric ports the list behind it.
    """

    list: int
    tenant: int
    network: int = 0
    rewrites: bool = False


@dataclass(frozen=True)
class Answer:
    """The TEP itself answers with ``frame`` on the port that asked."""

    frame: bytes


@dataclass(frozen=True)
class Suppress:
    """A request is not forwarded; ``frame``, without a tag, goes back to who sent it."""

    place: ToPlace
    frame: bytes


Verdict = Discard | ToPlace | Flood | Answer | Suppress
