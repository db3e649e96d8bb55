"""What a document must say of virtual switches, and of the VMs' interfaces there."""

import re
from collections.abc import Iterator

from .errors import KeyPath, Problem
from .model import Fabric, Vm
from .source import Source

__all__ = ["vm_interface", "vswitches"]

_INTERFACES = {
    "ovs": (re.compile(r".{1,15}"), "a name of an interface has at most 15 characters"),
    "libvirt": (
        re.compile(r"[^/]+(/[1-9][0-9]?)?"),
        "libvirt's domains and their interfaces are named DOMAIN or, from the second on, DOMAIN/N",
    ),
}
"""What drivers take for the interface of a VM."""


def vswitches(fabric: Fabric, source: Source) -> Iterator[Problem]:
    """A vSwitch has an access port, and so a space of VLAN IDs, for itself; and a bridge."""
    taken: dict[tuple[str, str], str] = {}
    bridges: dict[tuple[str, str, str], str] = {}
    for name, vswitch in fabric.vswitches.items():
        path: KeyPath = ("vswitches", name)
        if fabric.teps[vswitch.tep].foreign:
            yield source.problem(
                (*path, "tep"),
                f"'{vswitch.tep}' is a foreign TEP",
                "put its VMs there with 'tep:' instead of 'vswitch:'",
            )
            continue
        if fabric.teps[vswitch.tep].ports[vswitch.port].role != "access":
            yield source.problem((*path, "port"), f"'{vswitch.port}' is a fabric port", "name an access port")
        place = (vswitch.tep, vswitch.port)
        if taken.setdefault(place, name) != name:
            yield source.problem(
                (*path, "port"),
                f"port '{vswitch.port}' already leads to vSwitch '{taken[place]}'",
                "give every vSwitch its own port: VLAN IDs are unique per port",
            )
        raw = source.data["vswitches"][name]
        if vswitch.driver == "ovs" and vswitch.ovsdb is not None:
            bridge = (vswitch.tep, vswitch.ovsdb, vswitch.bridge)
            if bridges.setdefault(bridge, name) != name:
                yield source.problem(
                    (*path, "bridge") if "bridge" in raw else path,
                    f"bridge '{vswitch.bridge}' at {vswitch.ovsdb} is already vSwitch '{bridges[bridge]}'",
                    "give every vSwitch its own bridge: their VLAN IDs mean different VMs",
                    key="bridge" not in raw,
                )
        for key in ("ovsdb", "uplink"):
            if vswitch.driver == "ovs" and key not in raw:
                yield source.problem(
                    path,
                    f"the driver 'ovs' needs '{key}'",
                    "add 'ovsdb' (such as unix:/run/openvswitch/db.sock) and 'uplink'"
                    " (the interface towards the TEP)",
                    key=True,
                )
        if vswitch.driver != "ovs" and "ovsdb" in raw:
            yield source.problem(
                (*path, "ovsdb"),
                f"the driver '{vswitch.driver}' does not use OVSDB",
                "add 'driver: ovs' or remove 'ovsdb'",
                key=True,
            )
        if vswitch.driver == "libvirt" and "libvirt" not in raw:
            remedy = "add its URI, such as 'libvirt: qemu+ssh://root@host1/system'"
            yield source.problem(path, "the driver 'libvirt' needs 'libvirt'", remedy, key=True)
        if vswitch.driver != "libvirt" and "libvirt" in raw:
            message = f"the driver '{vswitch.driver}' does not use libvirt"
            yield source.problem((*path, "libvirt"), message, "add 'driver: libvirt' or remove it", key=True)


def vm_interface(
    vm: Vm, fabric: Fabric, source: Source, taken: dict[tuple[str, str], str]
) -> Iterator[Problem]:
    """What the driver of its vSwitch takes for one, and no other VM's. ``taken``: by whom, by vSwitch and name."""
    if vm.vswitch is None:
        return
    owner = taken.setdefault((vm.vswitch, vm.interface), vm.name)
    if owner != vm.name:
        yield source.problem(
            ("vms", vm.name, "interface"),
            f"interface '{vm.interface}' of '{vm.vswitch}' already belongs to VM '{owner}'",
            "give every VM its own interface",
        )
    vswitch = fabric.vswitches[vm.vswitch]
    given = "interface" in source.data["vms"][vm.name]
    path: KeyPath = ("vms", vm.name, "interface") if given else ("vms", vm.name)
    form, message = _INTERFACES.get(vswitch.driver, (None, ""))
    if form is not None and not form.fullmatch(vm.interface):
        yield source.problem(path, f"'{vm.interface}': {message}", "give another 'interface'", key=not given)
    own = {vswitch.bridge: "bridge", vswitch.uplink: "uplink"}
    if vswitch.driver == "ovs" and vm.interface in own:
        yield source.problem(
            path,
            f"'{vm.interface}' is the {own[vm.interface]} of '{vm.vswitch}'",
            "give the 'interface' that the VM is plugged in with",
            key=not given,
        )
