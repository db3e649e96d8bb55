"""Numbers of IEEE 802.3 that receivers and transmitters share (clauses 3 and 4); sizes in octets."""

__all__ = ["GAP", "MAX_FRAME", "MIN_FRAME", "PREAMBLE", "PREAMBLE_OCTETS", "SFD", "check_max_frame"]

PREAMBLE = 0x55
PREAMBLE_OCTETS = 7
SFD = 0xD5
"""Start frame delimiter, behind the preamble."""
MIN_FRAME = 64
"""With FCS."""
MAX_FRAME = 9018
"""Jumbo frame with FCS, as the default."""
GAP = 12
"""Least gap between packets; on average, where they begin in certain places only."""


def check_max_frame(max_frame: int) -> None:
    if not isinstance(max_frame, int) or not MIN_FRAME <= max_frame < 1 << 14:
        raise ValueError(f"max_frame must be from {MIN_FRAME} to {(1 << 14) - 1} octets, not {max_frame!r}")
