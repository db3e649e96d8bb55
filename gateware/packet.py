"""The one packet stream shape of the project."""

from amaranth.lib import data, stream
from amaranth.utils import ceil_log2

__all__ = ["PacketSignature", "Word"]


class Word(data.StructLayout):
    """One beat of a packet: up to ``width // 8`` octets, the first on the wire in bits 0 to 7.

    ``data``   the octets; those beyond ``count`` are undefined.
    ``count``  number of valid octets, 1 to ``width // 8``; always ``width // 8`` when ``last`` is 0.
    ``last``   this beat ends the frame.
    ``error``  valid with ``last``: the frame is bad (FCS, PHY error, runt) and must be discarded whole.

    Frames carry neither preamble nor FCS.
    """

    def __init__(self, width: int):
        if width % 8 or width < 8:
            raise ValueError(f"width must be a positive multiple of 8, not {width}")
        self.width = width
        super().__init__({"data": width, "count": ceil_log2(width // 8 + 1), "last": 1, "error": 1})


def PacketSignature(width: int, **kwargs: bool) -> stream.Signature:
    """Stream of :class:`Word`; ``always_ready=True`` where the source (a MAC) cannot wait."""
    return stream.Signature(Word(width), **kwargs)
