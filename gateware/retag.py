"""Two VLAN IDs for one VM, while its port of the vSwitch changes from one to the other."""

from amaranth.hdl import Mux, Value, ValueLike
from amaranth.lib import data

__all__ = ["Retag", "other_vid"]


class Retag(data.Struct):
    """Both VLAN IDs of a VM on one access port, in any order; equal ones (0 and 0 as a rule) mean that no VM has two.

    Frames with either come from this VM, whichever of the two its table entries name, and what is for it goes out with
    both: the vSwitch knows one of them.
    """

    one: 12
    other: 12


def other_vid(retag: ValueLike, vid: Value) -> Value:
    """The other VLAN ID of the VM that has ``vid``; ``vid`` itself if it has no other one."""
    pair = data.View(Retag, retag)
    return Mux(vid == pair.one, pair.other, Mux(vid == pair.other, pair.one, vid))
