"""What the demo shows: each check drives real traffic and says what it saw."""

import ipaddress
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import DEVNULL, Popen, TimeoutExpired

from .migration import migration
from .openvswitch import OpenVSwitch
from .scene import Demo, Failed
from .shell import LabError, run

__all__ = ["CHECKS", "Check", "Outcome"]

_IPERF_SECONDS = 5


@dataclass(frozen=True)
class Outcome:
    """Result of one check."""

    title: str
    passed: bool
    detail: str


def hairpin(demo: Demo) -> str:
    """VMs of one server, different VLANs: the frames turn round in the TEP."""
    switch = OpenVSwitch(demo.lab, "server1")
    tags = f"VLANs {switch.tag('red1')} and {switch.tag('red2')}"
    return demo.expect_ping("red1", demo.address("red2")) + f", {tags}"


def vswitch_alone(demo: Demo) -> str:
    """With the cable to the TEP pulled, the vSwitch switches nothing between them."""
    server = demo.host("server1")
    demo.expect_ping("red1", demo.address("red2"), count=1)
    server.ip("link set uplink down")
    try:
        seen = demo.expect_silence("red1", demo.address("red2"), count=2)
    finally:
        server.ip("link set uplink up")
    demo.await_reply("red1", demo.address("red2"))
    return f"cable pulled, {seen}; plugged in again, replies"


def racks_ipv4(demo: Demo) -> str:
    """Between racks, IPv4, with ARP across the fabric."""
    seen = demo.expect_ping("red1", demo.address("red3"))
    _require_neighbour(demo, "red1", demo.address("red3"), demo.mac("red3"))
    return f"{seen}; ARP resolved to {demo.mac('red3')}"


def racks_ipv6(demo: Demo) -> str:
    """Between racks, IPv6, with neighbour discovery across the fabric."""
    seen = demo.expect_ping("blue1", demo.address("blue2", 6))
    _require_neighbour(demo, "blue1", demo.address("blue2", 6), demo.mac("blue2"))
    return f"{seen}; ND resolved to {demo.mac('blue2')}"


def _require_neighbour(demo: Demo, vm: str, address: str, mac: str) -> None:
    found = demo.neighbour(vm, address)
    if found != mac:
        raise Failed(f"{vm} resolved {address} to {found or 'nothing'}, not to {mac}")


def isolation(demo: Demo) -> str:
    """The same addresses in two tenants: each reaches its own, and nothing of one reaches the other."""
    shared = demo.address("red2")
    if shared != demo.address("blue2"):
        raise LabError("the lab's tenants must share addresses")
    own = [demo.expect_ping(vm, shared, count=2) for vm in ("red1", "blue1")]
    _require_neighbour(demo, "red1", shared, demo.mac("red2"))
    _require_neighbour(demo, "blue1", shared, demo.mac("blue2"))
    with demo.sniff("red3", f"ether src {demo.mac('blue1')}") as count:
        demo.expect_silence("blue1", demo.address("red3"))
        leaked = count()
    if leaked:
        raise Failed(f"{leaked} frames of blue1 reached red3")
    return f"{'; '.join(own)}, each its own; blue1 → {demo.address('red3')} (red only): nothing arrives"


def suppression(demo: Demo) -> str:
    """The TEP of who asks answers ARP and ND; whom they are for hears nothing of it."""
    before = demo.counters("rack1")["suppression"]["answered"]
    with demo.sniff("green2", "arp[6:2] == 1 or (icmp6 and ip6[40] == 135)") as count:
        seen = [demo.expect_ping("green1", demo.address("green2", version), count=2) for version in (4, 6)]
        heard = count()
    for version in (4, 6):
        _require_neighbour(demo, "green1", demo.address("green2", version), demo.mac("green2"))
    answered = demo.counters("rack1")["suppression"]["answered"] - before
    if heard or answered < 2:
        raise Failed(f"rack1 answered {answered} requests, {heard} reached green2")
    return f"{'; '.join(seen)}; rack1 answered {answered} requests, none reached green2"


def _stopped(demo: Demo, reason: str, act: Callable[[], str]) -> str:
    before = demo.drops("rack1", reason)
    seen = act()
    stopped = demo.drops("rack1", reason) - before
    if not stopped:
        raise Failed(f"{seen}, but no frame was counted as {reason}")
    return f"{seen}; {stopped} frames counted as {reason}"


@contextmanager
def _mac(demo: Demo, vm: str, mac: str) -> Iterator[None]:
    host = demo.host(vm)
    host.ip(f"link set eth0 address {mac}")
    try:
        yield
    finally:
        host.ip(f"link set eth0 address {demo.mac(vm)}")


def spoofed_mac(demo: Demo) -> str:
    """A VM that takes another VM's MAC address is stopped."""

    def act() -> str:
        with _mac(demo, "red2", demo.mac("red1")):
            return "as red1: " + demo.expect_silence("red2", demo.address("red3"))

    return _stopped(demo, "spoofed", act)


def spoofed_tenant(demo: Demo) -> str:
    """A VM that takes a MAC address of another tenant, or of none, is stopped."""

    def other() -> str:
        with _mac(demo, "red2", demo.mac("blue1")):
            return "as blue1: " + demo.expect_silence("red2", demo.address("red3"))

    def none() -> str:
        with _mac(demo, "red2", "52:54:00:00:00:01"):
            return "as nobody: " + demo.expect_silence("red2", demo.address("red3"))

    return f"{_stopped(demo, 'spoofed', other)}; {_stopped(demo, 'unknown-tenant', none)}"


def spoofed_tag(demo: Demo) -> str:
    """A VM whose frames bear another VM's VLAN is stopped."""
    switch = OpenVSwitch(demo.lab, "server1")
    own = switch.tag("red2")

    def act() -> str:
        switch.vsctl("set", "Port", "red2", f"tag={switch.tag('blue1')}")
        try:
            return f"VLAN {switch.tag('blue1')}: " + demo.expect_silence("red2", demo.address("red3"))
        finally:
            switch.vsctl("set", "Port", "red2", f"tag={own}")

    return _stopped(demo, "spoofed", act)


def srv6_site(demo: Demo) -> str:
    """A site of only a Linux kernel with SRv6, both ways."""
    there = demo.expect_ping("red1", demo.address("red4"))
    return f"{there}; {demo.expect_ping('red4', demo.address('red1'))}"


def vxlan_site(demo: Demo) -> str:
    """A site of only a Linux kernel with VXLAN, both ways, IPv4 and IPv6, with ARP and neighbour discovery."""
    seen = [
        demo.expect_ping("red1", demo.address("red5")),
        demo.expect_ping("red5", demo.address("red3")),
        demo.expect_ping("red5", demo.address("red1", 6)),
    ]
    _require_neighbour(demo, "red1", demo.address("red5"), demo.mac("red5"))
    _require_neighbour(demo, "red5", demo.address("red1", 6), demo.mac("red1"))
    return "; ".join(seen)


def underlay(demo: Demo) -> str:
    """The TEP's own address answers the router: neighbour solicitation and echo, in gateware."""
    tep = demo.fabric.teps["rack1"]
    return demo.expect_ping("router", str(ipaddress.IPv6Address(tep.address)))


def throughput(demo: Demo) -> str:
    """TCP between racks, through both TEPs."""
    address = demo.address("red3")
    server = Popen(
        demo.host("red3").wrap(["iperf3", "-s", "-1", "-B", address]),
        stdout=DEVNULL,
        stderr=DEVNULL,
        stdin=DEVNULL,
    )
    try:
        deadline = time.monotonic() + 10
        while True:
            result = demo.host("red1").run(
                "iperf3", "-c", address, "-t", str(_IPERF_SECONDS), "-J", check=False, timeout=60
            )
            report = json.loads(result.stdout)
            if "error" not in report:
                break
            if time.monotonic() > deadline:
                raise Failed(f"iperf3: {report['error']}")
            time.sleep(0.1)
    finally:
        server.kill()
        server.wait()
    received = report["end"]["sum_received"]["bits_per_second"]
    again = report["end"]["sum_sent"].get("retransmits", 0)
    return f"{received / 1e6:.1f} Mbit/s received, {again} segments sent again"


def captures(demo: Demo) -> str:
    """The captures of the fabric links are what tshark expects."""
    total = tunnelled = vxlan = 0
    for file in sorted(demo.lab.captures.glob("*/uplink.pcap")):
        malformed = _count(str(file), "_ws.malformed")
        if malformed:
            raise Failed(f"{file}: {malformed} malformed frames")
        total += _count(str(file), "frame")
        tunnelled += _count(str(file), "ipv6.nxt == 143")
        vxlan += _count(str(file), f"vxlan.vni == {demo.fabric.tenants['red'].network}")
    if not tunnelled or not vxlan:
        raise Failed("no frame with next header 143, or none in VXLAN, was captured")
    return f"{total} frames, {tunnelled} with next header 143, {vxlan} in VXLAN, 0 malformed"


def _count(file: str, display_filter: str) -> int:
    result = run(["tshark", "-n", "-r", file, "-Y", display_filter, "-T", "fields", "-e", "frame.number"])
    return len(result.stdout.splitlines())


@dataclass(frozen=True)
class Check:
    """A step of the demo."""

    title: str
    action: Callable[[Demo], str]

    def run(self, demo: Demo) -> Outcome:
        try:
            return Outcome(self.title, True, self.action(demo))
        except (Failed, LabError, TimeoutExpired, ValueError) as failure:
            return Outcome(self.title, False, str(failure))


CHECKS = (
    Check("hairpin on one server, different VLANs", hairpin),
    Check("the vSwitch alone does not switch it", vswitch_alone),
    Check("between racks, IPv4 with real ARP", racks_ipv4),
    Check("between racks, IPv6 with real ND", racks_ipv6),
    Check("isolation with overlapping addresses", isolation),
    Check("ARP and ND suppression", suppression),
    Check("a VM with another VM's MAC is stopped", spoofed_mac),
    Check("a VM with another tenant's MAC is stopped", spoofed_tenant),
    Check("a VM with another VM's tag is stopped", spoofed_tag),
    Check("Linux SRv6 site, both ways", srv6_site),
    Check("Linux VXLAN site, both ways, ARP and ND", vxlan_site),
    Check("the TEP answers NS and ping itself", underlay),
    Check("TCP throughput between racks (iperf3)", throughput),
    Check("a VM migrates, its VLAN is another VM's there", migration),
    Check("captures read by tshark", captures),
)
