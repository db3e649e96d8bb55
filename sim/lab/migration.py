"""A VM goes to the other rack while others talk, and its VLAN ID is another VM's there."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from subprocess import DEVNULL, PIPE, Popen

from opentep.host.document import default_store

from .openvswitch import OpenVSwitch
from .scene import PING, Demo, Failed
from .shell import LabError
from .topology import make_port, opentep, start_vm

__all__ = ["migration"]

_MOVER, _TARGET = "red2", "server2"
_STAYS, _PARTNER = "blue2", "blue1"
"""Who has the mover's VLAN ID at the target, and to whom it talks all the time, from rack to rack."""
_WITNESS = "red1"


@contextmanager
def _agents(demo: Demo, store: str) -> Iterator[None]:
    """Of both racks."""
    agent = demo.lab.start(
        "agent", [sys.executable, "-m", "opentep.host.cli", "-v", "--store", store, "agent"]
    )
    try:
        yield
    finally:
        demo.lab.stop(agent)


@contextmanager
def _talk(demo: Demo) -> Iterator[Popen[str]]:
    """A hundred pings a second, from the time that one was answered."""
    address = demo.address(_STAYS)
    demo.await_reply(_PARTNER, address)
    ping = Popen(
        demo.host(_PARTNER).wrap(["ping", "-n", "-q", "-i", "0.01", "-W", "2", address]),
        stdin=DEVNULL,
        stdout=PIPE,
        text=True,
    )
    try:
        yield ping
    finally:
        ping.kill()
        ping.communicate()


def _store(demo: Demo) -> str:
    return str(default_store(demo.lab.document))


def _migrate(demo: Demo, *options: str) -> None:
    opentep("--store", _store(demo), "vm", "migrate", _MOVER, "--to", _TARGET, *options)


def _move(demo: Demo) -> float:
    """As a hypervisor does when a VM stops here and begins to run there; milliseconds to the first reply."""
    lab, vm, host = demo.lab, demo.fabric.vms[_MOVER], demo.host(_MOVER)
    switch = OpenVSwitch(lab, _TARGET)
    host.ip("link delete eth0")
    make_port(lab, switch, vm)
    _migrate(demo)
    begun = time.monotonic()
    start_vm(host, vm, switch.attached_mac(vm.interface))
    demo.await_reply(_WITNESS, demo.address(_MOVER))
    return (time.monotonic() - begun) * 1e3


def _from_tenant(demo: Demo, tenant: str) -> str:
    """Capture filter for frames of its VMs."""
    return " or ".join(
        f"ether src {demo.mac(vm.name)}" for vm in demo.fabric.vms.values() if vm.tenant == tenant
    )


def migration(demo: Demo) -> str:
    """Who stays loses no frame while it gets another VLAN ID, nothing crosses tenants, and the mover is reachable."""
    source = OpenVSwitch(demo.lab, demo.fabric.vms[_MOVER].vswitch or "")
    target = OpenVSwitch(demo.lab, _TARGET)
    vlan = source.tag(_MOVER)
    if target.tag(_STAYS) != vlan:
        raise LabError(f"the lab's {_STAYS} must have the VLAN ID of {_MOVER}")
    with ExitStack() as stack:
        stack.enter_context(_agents(demo, _store(demo)))
        leaks = [
            stack.enter_context(demo.sniff(vm, _from_tenant(demo, tenant)))
            for vm, tenant in ((_STAYS, "red"), (_WITNESS, "blue"), ("red3", "blue"))
        ]
        ping = stack.enter_context(_talk(demo))
        _migrate(demo, "--prepare")
        if target.tag(_STAYS) == vlan:
            raise Failed(f"{_STAYS} still has VLAN {vlan}")
        milliseconds = _move(demo)
        leaks.append(stack.enter_context(demo.sniff(_MOVER, _from_tenant(demo, "blue"))))
        seen = demo.expect_ping(_MOVER, demo.address(_WITNESS), count=3)
        ping.send_signal(signal.SIGINT)
        summary, _ = ping.communicate(timeout=30)
        leaked = sum(count() for count in leaks)
    found = PING.search(summary)
    if found is None:
        raise LabError(f"ping on {_PARTNER} said: {summary}")
    sent, received = int(found[1]), int(found[2])
    if leaked or sent - received > 1:  # the last one may still be on its way
        raise Failed(f"{sent - received} of {sent} pings lost by {_STAYS}, {leaked} frames crossed tenants")
    if target.tag(_MOVER) != vlan:
        raise Failed(f"{_MOVER} has VLAN {target.tag(_MOVER)}, not {vlan}")
    return (
        f"{_MOVER} keeps VLAN {vlan} and answers {milliseconds:.0f} ms after it is attached ({seen}); {_STAYS} got"
        f" VLAN {target.tag(_STAYS)} and lost none of {sent} pings; no frame crossed tenants"
    )
