"""Explicit congestion notification across a tunnel's end (RFC 6040, 4.2)."""

from opentep.gateware.headers import ETHERTYPE_IPV4, ETHERTYPE_IPV6

from .octets import from_octets

__all__ = ["CongestionLost", "combine"]

_NOT_ECT, _ECT_1, _ECT_0, _CE = 0b00, 0b01, 0b10, 0b11
_IP = 14
_SHORTEST = _IP + 20
"""Shorter frames have no whole IPv4 header, and are left as they are."""


class CongestionLost(Exception):
    """Congestion was experienced in the tunnel by a packet that cannot tell it."""


def _combined(inner: int, outer: int) -> int:
    """Figure 4 of RFC 6040."""
    if outer == _CE:
        if inner == _NOT_ECT:
            raise CongestionLost
        return _CE
    return _ECT_1 if (inner, outer) == (_ECT_0, _ECT_1) else inner


def combine(inner: bytes, outer_class: int) -> bytes:
    """The frame ``inner`` as it leaves a tunnel whose packet had traffic class ``outer_class``.

    Raises :class:`CongestionLost` if it must not leave.
    """
    ethertype = from_octets(inner[12:14])
    if len(inner) < _SHORTEST or ethertype not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
        return inner
    old = from_octets(inner[_IP : _IP + 2])
    shift = 0 if ethertype == ETHERTYPE_IPV4 else 4
    now = _combined(old >> shift & 3, outer_class & 3)
    new = old & ~(3 << shift) | now << shift
    changed = inner[:_IP] + new.to_bytes(2, "big") + inner[_IP + 2 :]
    if ethertype == ETHERTYPE_IPV6 or new == old:
        return changed
    # RFC 1624, equation 3.
    total = (from_octets(inner[_IP + 10 : _IP + 12]) ^ 0xFFFF) + (old ^ 0xFFFF) + new
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return changed[: _IP + 10] + (total ^ 0xFFFF).to_bytes(2, "big") + changed[_IP + 12 :]
