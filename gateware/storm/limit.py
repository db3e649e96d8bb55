"""What gateware and host agree on about limits, and when buckets are paid back to."""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CLOCKS_PER_TICK", "EXPONENT_BITS", "TICKS_PER_SECOND", "StormLimit", "StormTicks"]

TICKS_PER_SECOND = 4096
"""How often the buckets are paid back to. A frame is as many parts, and a tick pays back ``rate`` of them: so every
whole number of frames per second is exact."""

CLOCKS_PER_TICK = 6
"""More than a tick takes per party, however many frames there are."""

EXPONENT_BITS = 4


class StormLimit(data.Struct):
    """Limit of one tenant."""

    rate: 24
    """Frames per second, at most :data:`TICKS_PER_SECOND` times ``burst``: between two ticks no more than a burst may
    pass."""
    burst: 12
    """Frames at once, after silence; 0: there is no limit."""


def StormTicks() -> wiring.Signature:
    """Time, for storm control.

    ``tick``      strobe, :data:`TICKS_PER_SECOND` times a second.
    ``exponent``  with ``tick``: as much time has passed as between ``2 ** exponent`` ticks. 0, but where time makes
                  jumps: in a simulator that does not run while nothing happens.
    ``pending``   some bucket is not full, so that a tick has an effect.
    """
    return wiring.Signature({"tick": Out(1), "exponent": Out(EXPONENT_BITS), "pending": In(1)})
