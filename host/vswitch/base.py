"""What a virtual switch must be told, whatever its make."""

from dataclasses import dataclass
from typing import Protocol

from opentep.host.diff import Change
from opentep.host.fabric.model import Fabric, VSwitch
from opentep.host.retagging import Stage

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
    lets_go: bool = False
    """Something has another VLAN ID than before, or none."""


class VSwitchDriver(Protocol):
    """Brings one vSwitch to what is wanted. Both methods raise :class:`VSwitchError`."""

    def plan(self) -> VSwitchPlan:
        """What :meth:`apply` would do; changes nothing."""

    def apply(self) -> VSwitchPlan:
        """Do it; says what was done. Doing it again changes nothing."""


def wanted(fabric: Fabric, name: str, stage: Stage | None = None) -> Wanted:
    """What vSwitch ``name`` of a complete (allocated) fabric must be told, in the end or in ``stage``."""
    vswitch = fabric.vswitches[name]
    attachments = []
    for vm in fabric.vms.values():
        if vm.vswitch == name:
            assert vm.mac is not None and vm.vlan is not None, "allocated before"
            vlan = vm.vlan if stage is None else stage.vlan(vswitch.port, vm.vlan)
            if vlan is not None:
                attachments.append(Attachment(vm.name, vm.interface, vm.mac, vlan))
    return Wanted(vswitch, tuple(attachments))
