"""Which frames the host asked for. What its wide masks say is looked up before it is known which reason counts."""

from collections.abc import Iterable

from amaranth.hdl import Cat, Value, ValueLike
from amaranth.lib import data

from ..arbiter import one_hot_mux
from ..headers import Drop
from ..params import Params
from .format import REASONS

__all__ = ["Interest", "Wish", "at_port", "wish"]


class Interest(data.StructLayout):
    """``always``: one bit per :class:`.format.Reason`, the host gets every frame. ``sampled``, ``ports``: one bit per
    reason and per ingress port, it gets samples of the frames that have both."""

    def __init__(self, params: Params):
        super().__init__({"always": REASONS, "sampled": REASONS, "ports": params.ports})


class Wish(data.Struct):
    """The host gets a frame ``always``, or may get it as one of those that are ``sampled``."""

    always: 1
    sampled: 1


def wish(interest: data.View, reason: ValueLike, among: Iterable[Drop] | None = None) -> Value:
    """The :class:`Wish` for a frame that would go to the host for ``reason``, from any port. ``among``: the reasons
    that there can be, besides none."""
    reason = Value.cast(reason)
    masks = (interest.always, interest.sampled)
    if among is None:
        return Cat(mask.bit_select(reason, 1) for mask in masks)
    drops = [Drop.NONE, *among]
    found = [reason == drop.value for drop in drops]
    return Cat(one_hot_mux(found, [mask[drop.value] for drop in drops]) for mask in masks)


def at_port(interest: data.View, wished: data.View, port: Value) -> Value:
    """``wished`` from any port, for a frame that came in on ``port``."""
    return Cat(wished.always, wished.sampled & interest.ports.bit_select(port, 1))
