"""Every counter of a TEP, by name."""

from .headers import Drop
from .params import Params

__all__ = [
    "MAC_COUNTERS",
    "PORT_COUNTERS",
    "PORT_OVERRUNS",
    "PUNT_EVENTS",
    "SUPPRESSION_EVENTS",
    "TRAFFIC_COUNTERS",
    "counter_names",
]

TRAFFIC_COUNTERS = ("rx_frames", "rx_octets", "tx_frames", "tx_octets")
"""Per port, see :data:`PORT_COUNTERS`. Per remote TEP: tunnelled frames that were taken from it, and copies sent to it,
both with outer headers. Per tenant: frames that were taken from its VMs, and copies sent to them. Octets of these two
are those of the ports; ``queue_full`` and what the host injects make no difference to them."""

PORT_OVERRUNS = ("queue_full", "rx_overflow", "tx_underrun")
"""Per port, frames lost for want of time or room: copies that the port's egress queue had no room for, and the
:class:`.mac.faults.MacFaults` of its MAC."""

PORT_COUNTERS = (
    *TRAFFIC_COUNTERS,
    *PORT_OVERRUNS,
    *(drop.label for drop in Drop if drop is not Drop.NONE),
)
"""Per port. Frames are counted when they end, bad ones included; octets are without FCS and wire padding of
transmitted frames. Behind :data:`PORT_OVERRUNS` come the reasons why frames that came in on the port were dropped
(``too-big`` of a group frame: on the fabric port)."""

MAC_COUNTERS = ("learned", "moved", "aged", "refused", "events_lost")
"""Per TEP: what happened to learned entries of the MAC table, and what of it the host wanted to hear but did not."""

PUNT_EVENTS = ("frames", "lost")
"""Per TEP: frames for the host that went into its ring, and those that found it full."""

SUPPRESSION_EVENTS = ("answered", "overrun")
"""Per TEP, if it suppresses ARP and ND: requests that were answered, and those that came too fast to be looked at and
went the usual way."""


def counter_names(params: Params) -> list[str]:
    """Names of all counters in the order of their indices: ``port[0].rx_frames`` …."""
    names = [f"port[{port}].{name}" for port in range(params.ports) for name in PORT_COUNTERS]
    names += [f"mac.{name}" for name in MAC_COUNTERS] + [f"punt.{name}" for name in PUNT_EVENTS]
    if params.suppresses:
        names += [f"suppression.{name}" for name in SUPPRESSION_EVENTS]
    return names
