"""Lists of groups, and rules: what two TEPs deliver, against what the document says (SPEC §5)."""

import json
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentep.host.compile import compile_tep
from opentep.host.fabric import State, allocate, loads
from opentep.host.fabric.addresses import group_mac, parse_mac
from opentep.host.groups import low_octets
from opentep.host.tables import Rewritten
from opentep.sim.model import TepModel
from opentep.sim.packets import ethernet, ipv4, ipv6, tag, udp

TENANTS = ("red", "blue", "green")
TEPS = ("rack1", "rack2")
# The first three have last octets in common, the fifth has those of broadcast, the last one is not IP.
GROUPS = ("239.129.2.3", "ff05::1:203", "ff05::81:203", "ff05::5555", "ff05::ff:ffff", "01:00:0c:cc:cc:cd")
BROADCAST = "ff:ff:ff:ff:ff:ff"


@dataclass(frozen=True)
class Document:
    """A fabric of two TEPs, as far as these tests vary it."""

    vms: dict[int, tuple[str, str]]
    """Tenant and TEP by VLAN ID."""
    rules: frozenset[tuple[str, str]] = frozenset()
    ingress: frozenset[str] = frozenset()
    """Tenants with that method."""
    lists: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    """Members by tenant and address."""
    underlay: frozenset[str | tuple[str, str]] = frozenset()
    """Tenants and lists with a group of the underlay."""
    tunnels: tuple[str, str] = ("ethernet", "ethernet")

    def text(self) -> str:
        groups = dict[Any, str]()
        for number, who in enumerate((*TENANTS, *self.lists), 1):
            groups[who] = f"ff3e:30:fd00::{number}"

        def underlay_group(who: str | tuple[str, str]) -> dict[str, str]:
            return {"underlay_group": groups[who]} if who in self.underlay else {}

        document = {
            "version": 1,
            "underlay": {"groups": "ff3e:30:fd00::/96"},
            "teps": {
                tep: {
                    "address": f"fd00:{number}::1",
                    "encapsulation": self.tunnels[number - 1],
                    "ports": {
                        "srv": {"role": "access"},
                        "up": {
                            "role": "fabric",
                            "mac": f"02:00:5e:00:00:0{number}",
                            "next_hop": f"02:00:5e:00:00:0{3 - number}",
                        },
                    },
                }
                for number, tep in enumerate(TEPS, 1)
            },
            "tenants": {
                tenant: {
                    "oui": f"12:00:0{number}",
                    "network": number,
                    "group": "ingress" if tenant in self.ingress else "egress",
                }
                | underlay_group(tenant)
                for number, tenant in enumerate(TENANTS, 1)
            },
            "vswitches": {f"at-{tep}": {"tep": tep, "port": "srv"} for tep in TEPS},
            "vms": {
                f"vm{vid}": {
                    "tenant": tenant,
                    "vswitch": f"at-{tep}",
                    "vlan": vid,
                    "mac": mac_of(tenant, vid),
                }
                for vid, (tenant, tep) in self.vms.items()
            },
            "groups": {
                f"group{number}": {
                    "tenant": tenant,
                    "address": address,
                    "members": [f"vm{vid}" for vid in members],
                }
                | underlay_group((tenant, address))
                for number, ((tenant, address), members) in enumerate(self.lists.items())
            },
            "rules": [{"from": source, "to": target} for source, target in sorted(self.rules)],
        }
        return json.dumps(document)

    def audience(self, tenant: str) -> list[str]:
        return [other for other in TENANTS if other == tenant or (tenant, other) in self.rules]

    def receivers(self, sender: int, address: str) -> set[int]:
        """Of each tenant that the sender's may send to, its list if it has one for the address, else all its VMs."""
        found: set[int] = set()
        for tenant in self.audience(self.vms[sender][0]):
            everyone = tuple(vid for vid, (of, _) in self.vms.items() if of == tenant)
            found.update(self.lists.get((tenant, address), everyone))
        return found - {sender}

    def is_taken_for_another(self, tenant: str, address: str) -> bool:
        """Whether frames of ``tenant`` to ``address``, for which nobody has a list, may look like those to one that
        somebody has. Broadcast never does."""
        audience = self.audience(tenant)
        if (
            tenant not in self.ingress
            or address == BROADCAST
            or any((other, address) in self.lists for other in audience)
        ):
            return False
        listed = {low for other, one in self.lists if other in audience for low in low_octets(mac_from(one))}
        return bool(listed & set(low_octets(mac_from(address))))


def mac_of(tenant: str, vid: int) -> str:
    return f"12:00:0{TENANTS.index(tenant) + 1}:00:00:{vid:02x}"


def mac_from(address: str) -> int:
    return parse_mac(address) if address.count(":") == 5 else group_mac(address)


def frame_to(address: str, src: int) -> bytes:
    mac = mac_from(address)
    if address.startswith("ff05"):
        return ethernet(
            mac, src, 0x86DD, ipv6(0xFD << 120 | 1, int(ip_address(address)), 17, udp(1, 2, bytes(40)))
        )
    if "." in address:
        return ethernet(
            mac, src, 0x0800, ipv4(0x0A000001, int(ip_address(address)), 17, udp(1, 2, bytes(40)))
        )
    return ethernet(mac, src, 0x0806 if address == BROADCAST else 0x88B5, bytes(46))


class Fabric:
    """Two TEPs by a wire between their fabric ports."""

    def __init__(self, document: Document) -> None:
        self.document = document
        fabric, source = loads(document.text())
        state = State()
        complete = allocate(fabric, state, source)
        self.teps = {name: TepModel(compile_tep(complete, name, state, source)) for name in TEPS}

    def send(self, sender: int, address: str) -> list[int]:
        """VLAN IDs that a frame is delivered with."""
        tenant, here = self.document.vms[sender]
        frame = frame_to(address, parse_mac(mac_of(tenant, sender)))
        there = TEPS[1 - TEPS.index(here)]
        left = self.teps[here].receive(0, tag(frame, sender))
        for port, packet in list(left):
            if port == 1:
                left += self.teps[there].receive(1, packet)
        got = [octets for port, octets in left if port == 0]
        assert all(octets[:12] + octets[16:] == frame for octets in got)
        return sorted(int.from_bytes(octets[14:16], "big") for octets in got)


VMS = {
    11: ("red", "rack1"),
    12: ("red", "rack1"),
    21: ("blue", "rack1"),
    22: ("blue", "rack1"),
    23: ("blue", "rack2"),
}
VIDEO = GROUPS[0]


@pytest.mark.parametrize("ingress", [(), ("red",), ("red", "blue")], ids=["egress", "mixed", "ingress"])
@pytest.mark.parametrize(
    "red, blue, expected",
    [
        (None, None, [12, 21, 22, 23]),
        ((12,), None, [12, 21, 22, 23]),
        (None, (22,), [12, 22]),
        (None, (23,), [12, 23]),
        ((12,), (22,), [12, 22]),
        ((12,), (21, 23), [12, 21, 23]),
        ((11,), (23,), [23]),
    ],
)
def test_each_tenant_has_its_own_members(ingress, red, blue, expected) -> None:
    lists = {("red", VIDEO): red, ("blue", VIDEO): blue}
    document = Document(
        VMS,
        frozenset({("red", "blue")}),
        frozenset(ingress),
        {key: members for key, members in lists.items() if members is not None},
    )
    fabric = Fabric(document)
    assert fabric.send(11, VIDEO) == expected
    everyone_blue = [22, 23] if blue is None else [vid for vid in blue if vid != 21]
    assert fabric.send(21, VIDEO) == everyone_blue, "there is no rule that leads back"


@pytest.mark.parametrize(
    "lists, how",
    [
        ({("red", GROUPS[0]): (12,)}, Rewritten),
        ({("red", GROUPS[0]): (12,), ("red", GROUPS[1]): (11,)}, int),
        ({("red", GROUPS[0]): (12,), ("blue", GROUPS[1]): (23,)}, int),
        ({("blue", GROUPS[4]): (23,)}, int),
    ],
    ids=["one", "two of the sender", "one of each", "as broadcast"],
)
def test_what_far_teps_could_not_tell_apart_travels_as_it_is(lists, how) -> None:
    document = Document(VMS, frozenset({("red", "blue")}), frozenset({"red"}), lists)
    tables = Fabric(document).teps["rack1"].config
    red = next(tenant for tenant in tables.tenants if tenant.name == "red")
    found = {
        entry.place.list | 1
        for entry in tables.macs
        if entry.tenant == red.index and entry.mac >> 40 in (1, 0x33)
    }
    towards = [
        member for entry in tables.lists if entry.index in found for member in entry.members.get(1, ())
    ]
    assert len(towards) == len(found)
    assert all(isinstance(member, how) for member in towards)


@pytest.mark.parametrize("underlay", [(), ("red",), ("blue",), ("red", "blue")])
def test_no_tep_gets_a_frame_from_the_underlays_group_and_by_itself_too(underlay) -> None:
    """One that the network is named to has no tenant's group address in its copy."""
    vms = VMS | {13: ("red", "rack2")}
    document = Document(
        vms,
        frozenset({("red", "blue")}),
        frozenset({"red"}),
        underlay=frozenset(underlay),
        tunnels=("ethernet", "vxlan"),
    )
    assert Fabric(document).send(11, BROADCAST) == [12, 13, 21, 22, 23]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    homes = [(tenant, tep) for tenant in TENANTS for tep in TEPS for _ in range(2)]
    vms = dict(enumerate(draw(st.lists(st.sampled_from(homes), min_size=3, max_size=9)), 10))
    lists: dict[tuple[str, str], tuple[int, ...]] = {}
    for tenant in TENANTS:
        own = [vid for vid, (of, _) in vms.items() if of == tenant]
        for address in draw(st.sets(st.sampled_from(GROUPS))):
            lists[tenant, address] = tuple(draw(st.sets(st.sampled_from(own)))) if own else ()
    pairs = [(one, other) for one in TENANTS for other in TENANTS if one != other]
    groups = [*TENANTS, *lists]
    return Document(
        vms,
        draw(st.frozensets(st.sampled_from(pairs))),
        draw(st.frozensets(st.sampled_from(TENANTS))),
        lists,
        draw(st.frozensets(st.sampled_from(groups))) if draw(st.booleans()) else frozenset(),
        draw(st.tuples(*(st.sampled_from(("ethernet", "vxlan")) for _ in TEPS))),
    )


@given(documents())
def test_what_is_delivered_is_what_the_document_says(document: Document) -> None:
    fabric = Fabric(document)
    for sender, (tenant, _) in document.vms.items():
        for address in (*GROUPS, BROADCAST):
            if not document.is_taken_for_another(tenant, address):
                assert fabric.send(sender, address) == sorted(document.receivers(sender, address))
