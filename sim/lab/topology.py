"""Building the lab: hosts, cables, switches, boards; then the real host software configures them."""

import ipaddress
import string
import sys
import time
from collections.abc import Callable
from importlib import resources

import yaml
from opentep.gateware.headers import Encapsulation
from opentep.gateware.params import Params
from opentep.host.document import open_fabric
from opentep.host.fabric.addresses import format_mac
from opentep.host.fabric.model import Fabric, Tep, Vm
from opentep.sim.verilate import board_library

from . import srv6, vxlan
from .namespace import Namespace, link
from .openvswitch import OpenVSwitch
from .shell import LabError, run
from .state import Lab

__all__ = ["CORE", "build", "make_port", "opentep", "start_vm"]

Progress = Callable[[str], None]

CORE = {"width": 128, "packet_bytes": 65536, "known_addresses": 64}
"""How the lab's cores differ from the default build: more octets per simulated clock, room for bursts of TCP and for
the addresses of a tenant. Not storm control, whose ticks would keep idle cores busy."""

_ROUTER = "router"
_START_SECONDS = 120.0
_UNDERLAY_MTU = 1600


def opentep(*arguments: str) -> str:
    """Run the `opentep` command as a user would; returns what it printed."""
    return run([sys.executable, "-m", "opentep.host.cli", *arguments], timeout=120).stdout


def build(lab: Lab, progress: Progress) -> Fabric:
    """Bring ``lab``, which was created, up completely. Raises :class:`LabError`; what was made until then is for
    `destroy`."""
    progress("building the virtual board (only the first time takes a while)")
    board_library(_params(), progress=progress)
    template = string.Template(resources.files(__package__).joinpath("two-racks.yaml").read_text())
    core = yaml.safe_dump(CORE, default_flow_style=True).strip()
    lab.document.write_text(template.substitute(folder=lab.folder, core=core))
    fabric = open_fabric(lab.document)

    progress("making hosts and cables")
    _make_router(lab)
    for tep in fabric.teps.values():
        _make_tep_site(lab, tep)
    for vswitch in fabric.vswitches.values():
        lab.host(vswitch.name).create()
    for vm in fabric.vms.values():
        lab.host(vm.name).create()
    for vswitch in fabric.vswitches.values():
        _cable_server(lab, fabric, vswitch.name)

    progress("starting Open vSwitch")
    for name in fabric.vswitches:
        _start_switch(lab, fabric, name)

    progress("starting the virtual boards")
    boards = [tep for tep in fabric.teps.values() if not tep.foreign]
    for tep in boards:
        _start_board(lab, tep)
    for tep in boards:
        _await_link(lab, tep)

    progress("applying fabric.yaml: tables over the host link, MACs and VLANs over OVSDB")
    opentep("apply", "--fabric", str(lab.document))
    fabric = open_fabric(lab.document)

    progress("plugging the VMs in")
    for vm in fabric.vms.values():
        _plug_vm(lab, fabric, vm)
    lab.require_alive()
    return fabric


def _params() -> Params:
    return Params(**CORE)


def _make_router(lab: Lab) -> None:
    router = lab.host(_ROUTER)
    router.create()
    router.sysctl("net.ipv6.conf.all.forwarding=1")


def _router_address(tep: Tep) -> str:
    """The router's own address on the /64 of a site."""
    return str(ipaddress.IPv6Address((tep.address >> 64 << 64) | 0xFE))


def _make_tep_site(lab: Lab, tep: Tep) -> None:
    """A host for the TEP, cabled to the router."""
    site, router = lab.host(tep.name), lab.host(_ROUTER)
    site.create()
    port = tep.fabric_ports[0] if tep.fabric_ports else None
    uplink = port.name if port else "uplink"
    link(router, tep.name, site, uplink)
    router.bring_up(
        tep.name, mac=format_mac(port.next_hop) if port and port.next_hop else None, mtu=_UNDERLAY_MTU
    )
    router.ip(f"addr add {_router_address(tep)}/64 dev {tep.name} nodad")
    if port is not None:
        # The board is the only one to speak here; the kernel must not answer for it.
        site.sysctl(f"net.ipv6.conf.{uplink}.disable_ipv6=1")
    site.bring_up(uplink, mtu=_UNDERLAY_MTU)
    if tep.foreign:
        (source,) = tep.sources
        site.ip(f"addr add {ipaddress.IPv6Address(source)}/64 dev {uplink} nodad")
        site.ip(f"-6 route add default via {_router_address(tep)}")
        if tep.address != source:
            router.ip(
                f"-6 route add {ipaddress.IPv6Address(tep.address)}/128 via {ipaddress.IPv6Address(source)}"
            )


def _cable_server(lab: Lab, fabric: Fabric, name: str) -> None:
    vswitch = fabric.vswitches[name]
    server, rack = lab.host(name), lab.host(vswitch.tep)
    assert vswitch.uplink is not None
    link(server, vswitch.uplink, rack, vswitch.port)
    for host, interface in ((server, vswitch.uplink), (rack, vswitch.port)):
        host.sysctl(f"net.ipv6.conf.{interface}.disable_ipv6=1")
        host.bring_up(interface)


def _start_switch(lab: Lab, fabric: Fabric, name: str) -> None:
    switch = OpenVSwitch(lab, name)
    switch.start()
    vswitch = fabric.vswitches[name]
    assert vswitch.uplink is not None
    switch.plug(vswitch.uplink)
    for vm in fabric.vms.values():
        if vm.vswitch == name:
            make_port(lab, switch, vm)


def make_port(lab: Lab, switch: OpenVSwitch, vm: Vm) -> None:
    """A cable from a VM, whose end is still down, to a port of the switch that reaches nobody yet."""
    link(switch.host, vm.interface, lab.host(vm.name), "eth0")
    switch.host.sysctl(f"net.ipv6.conf.{vm.interface}.disable_ipv6=1")
    switch.host.bring_up(vm.interface)
    switch.plug(vm.interface)


def _start_board(lab: Lab, tep: Tep) -> None:
    site = lab.host(tep.name).name
    ports = [
        argument
        for port in tep.ordered_ports
        for argument in ("--port", f"{port.name}=dev:{port.name}@{site}")
    ]
    settings = [argument for name, value in CORE.items() for argument in ("--param", f"{name}={value}")]
    lab.start(
        tep.name,
        [sys.executable, "-m", "opentep.host.cli", "board", *ports, *settings]
        + ["--link", str(lab.folder / f"{tep.name}.tty"), "--capture", str(lab.captures / tep.name)],
    )


def _await_link(lab: Lab, tep: Tep) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (lab.folder / f"{tep.name}.tty").exists():
        lab.require_alive()
        if time.monotonic() > deadline:
            raise LabError(f"the virtual board of {tep.name} did not start within {_START_SECONDS:.0f} s")
        time.sleep(0.02)


def _plug_vm(lab: Lab, fabric: Fabric, vm: Vm) -> None:
    """Give a VM its MAC address, as a hypervisor would, and its IP addresses."""
    host = lab.host(vm.name)
    if vm.vswitch is not None:
        mac = OpenVSwitch(lab, vm.vswitch).attached_mac(vm.interface)
    else:
        assert vm.tep is not None and vm.mac is not None
        link(lab.host(vm.tep), vm.name, host, "eth0")
        mac = format_mac(vm.mac)
    start_vm(host, vm, mac)
    if vm.tep is not None:
        tep = fabric.teps[vm.tep]
        connect = _connect_vxlan_vm if tep.encapsulation is Encapsulation.VXLAN else _connect_srv6_vm
        connect(lab, fabric, vm, tep)


def start_vm(host: Namespace, vm: Vm, mac: str) -> None:
    """With its addresses, at the port that it has."""
    host.bring_up("eth0", mac=mac)
    for address in vm.addresses:
        host.ip(f"addr add {address} dev eth0" + (" nodad" if ":" in address else ""))


def _connect_vxlan_vm(lab: Lab, fabric: Fabric, vm: Vm, tep: Tep) -> None:
    """Virtual network of ``vm``'s tenant at the Linux site, to all opentep TEPs."""
    vxlan.connect_vm(
        lab.host(tep.name),
        device=vm.name,
        network=fabric.tenants[vm.tenant].network,
        source=str(ipaddress.IPv6Address(tep.address)),
        peers=[str(ipaddress.IPv6Address(peer.address)) for peer in fabric.teps.values() if not peer.foreign],
    )


def _connect_srv6_vm(lab: Lab, fabric: Fabric, vm: Vm, tep: Tep) -> None:
    """Tunnel of the Linux site between ``vm`` and the first VM of its tenant that is behind a vSwitch."""
    far = next(other for other in fabric.vms.values() if other.tenant == vm.tenant and other.vswitch)
    assert vm.mac is not None and far.mac is not None
    (source,) = tep.sources
    own_address, far_address = (each.addresses[0].partition("/")[0] for each in (vm, far))
    srv6.connect_vm(
        lab.host(tep.name),
        fabric="uplink",
        device=vm.name,
        sid=f"{ipaddress.IPv6Address(tep.address)}/128",
        source=str(ipaddress.IPv6Address(source)),
        far_mac=format_mac(far.mac),
        far_address=far_address,
        far_tep=str(ipaddress.IPv6Address(fabric.teps[fabric.tep_of(far)].address)),
    )
    # ARP does not cross this site: each of the two knows the other.
    lab.host(vm.name).ip(f"neigh replace {far_address} lladdr {format_mac(far.mac)} dev eth0")
    lab.host(far.name).ip(f"neigh replace {own_address} lladdr {format_mac(vm.mac)} dev eth0")
