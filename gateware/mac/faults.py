"""What goes wrong between a MAC and the core that no frame tells."""

from amaranth.lib import data

__all__ = ["MacFaults"]


class MacFaults(data.Struct):
    """Strobes in ``sync``, one clock per frame.

    ``underrun``  a frame for the wire was spoilt, because it paused for longer than its head start covers.
    ``overflow``  a frame of the wire was lost or marked bad, because ``sync`` is too slow.

    The reset of a clock domain may look like one of either.
    """

    underrun: 1
    overflow: 1
