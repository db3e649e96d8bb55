"""What a virtual switch must be told, whatever its make."""

from dataclasses import dataclass
from typing import Protocol

from opentep.host.diff import Change
from opentep.host.fabric.model import Fabric, VSwitch

__all__ = ["Attachment", "VSwitchDriver", "VSwitchError", "VSwitchPlan", "Wanted", "wanted"]


class VSwitchError(Exception):
    """The vSwitch cannot be reached or refuses."""


@dataclass(frozen=True)
class Attachment:
    """A VM at its port of the vSwitch."""

    vm: str
    interface: str
    mac: int
    vlan: int


@dataclass(frozen=True)
class Wanted:
    """Everything that one vSwitch must be told."""

    vswitch: VSwitch
    attachments: tuple[Attachment, ...]

    @property
    def vlans(self) -> list[int]:
        """VLAN IDs that the uplink carries."""
        return sorted(attachment.vlan for attachment in self.attachments)


@dataclass(frozen=True)
class VSwitchPlan:
    """What a driver found to do."""

    changes: tuple[Change, ...]
    missing: tuple[str, ...] = ()
    """Interfaces that the vSwitch does not have (yet): their VMs are not attached."""
    instructions: str = ""
    """For a person, where no driver can act."""


class VSwitchDriver(Protocol):
    """Brings one vSwitch to what is wanted. Both methods raise :class:`VSwitchError`."""

    def plan(self) -> VSwitchPlan:
        """What :meth:`apply` would do; changes nothing."""

    def apply(self) -> VSwitchPlan:
        """Do it; says what was done. Doing it again changes nothing."""


def wanted(fabric: Fabric, name: str) -> Wanted:
    """What vSwitch ``name`` of a complete (allocated) fabric must be told."""
    attachments = []
    for vm in fabric.vms.values():
        if vm.vswitch == name:
            assert vm.mac is not None and vm.vlan is not None, "allocated before"
            attachments.append(Attachment(vm.name, vm.interface, vm.mac, vm.vlan))
    return Wanted(fabric.vswitches[name], tuple(attachments))
