"""Which driver a vSwitch has."""

from .base import VSwitchDriver, Wanted
from .libvirt import LibvirtDriver
from .ovs import OvsDriver
from .print import PrintDriver

__all__ = ["driver_for"]


def driver_for(wanted: Wanted) -> VSwitchDriver:
    """The driver that the document names."""
    drivers: dict[str, type[OvsDriver | LibvirtDriver | PrintDriver]] = {
        "ovs": OvsDriver,
        "libvirt": LibvirtDriver,
        "print": PrintDriver,
    }
    return drivers[wanted.vswitch.driver](wanted)
