"""The register bus: one 32-bit word per transfer."""

from amaranth.lib.wiring import In, Out, Signature

from ..tables.bus import WORD_BITS

__all__ = ["ADDR_BITS", "MAX_ENTRY_WORDS", "WORD_BITS", "Bus"]

ADDR_BITS = 20
"""Width of a word address."""
MAX_ENTRY_WORDS = 32
"""Longest register or table entry, in words."""


class Bus(Signature):
    """Initiator side of the register bus. Addresses count words of 32 bits.

    The initiator holds ``addr`` and one of ``w_stb`` (with ``w_data``) and ``r_stb`` stable until the target
    raises ``ack`` for one clock, any number of clocks later. In the clock after ``ack`` the next transfer may
    begin. ``r_data`` and ``error`` are valid with ``ack`` only. ``error`` means that the word does not exist
    or cannot be accessed this way: the read returned 0, the write had no effect.
    """

    def __init__(self):
        super().__init__(
            {
                "addr": Out(ADDR_BITS),
                "w_stb": Out(1),
                "w_data": Out(WORD_BITS),
                "r_stb": Out(1),
                "r_data": In(WORD_BITS),
                "ack": In(1),
                "error": In(1),
            }
        )
