"""Which fabric port the frames of a flow to a remote TEP leave on (SPEC §6)."""

from amaranth.lib import data
from amaranth.utils import ceil_log2

from ..params import Params

__all__ = ["BUCKETS", "TepWays", "bucket"]

BUCKETS = 8
"""Shares of the flows to a remote TEP, each of which takes one way."""


def bucket(flow):
    """The share that a flow with this label belongs to. For integers as for values."""
    return flow & BUCKETS - 1


class TepWays(data.ArrayLayout):
    """Number among the fabric ports, by bucket."""

    def __init__(self, params: Params):
        super().__init__(max(1, ceil_log2(params.fabric_ports)), BUCKETS)
