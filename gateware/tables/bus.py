"""Host access to a table."""

from amaranth.hdl import ShapeLike
from amaranth.lib.wiring import In, Out, Signature

__all__ = ["TableBus"]


class TableBus(Signature):
    """One whole entry per transfer, so that a frame never sees half of one.

    The initiator (the register bank) raises ``w_stb`` or ``r_stb`` for one clock with ``index`` (and
    ``w_data``) and keeps both stable until the table raises ``done`` for one clock, in the same clock or any
    later one. ``r_data`` is valid with ``done`` and stays until the next transfer.
    """

    def __init__(self, entry: ShapeLike, depth: int):
        self.entry = entry
        self.depth = depth
        super().__init__(
            {
                "index": Out(range(depth)),
                "w_stb": Out(1),
                "w_data": Out(entry),
                "r_stb": Out(1),
                "r_data": In(entry),
                "done": In(1),
            }
        )
