"""Setting VLAN and MAC at virtual switches, through their own stock interfaces."""

from .base import Attachment, VSwitchDriver, VSwitchError, VSwitchPlan, Wanted, wanted
from .drivers import driver_for

__all__ = ["Attachment", "VSwitchDriver", "VSwitchError", "VSwitchPlan", "Wanted", "driver_for", "wanted"]
