"""Which driver a vSwitch has."""

from .base import VSwitchDriver, Wanted
from .ovs import OvsDriver
from .print import PrintDriver

__all__ = ["driver_for"]


def driver_for(wanted: Wanted) -> VSwitchDriver:
    """The driver that the document names."""
    return OvsDriver(wanted) if wanted.vswitch.driver == "ovs" else PrintDriver(wanted)
