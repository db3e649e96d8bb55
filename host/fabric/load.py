"""``fabric.yaml`` to :class:`Fabric`: syntax, schema, then meaning. Each step reports all its problems."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from opentep.gateware.headers import Encapsulation
from opentep.host.memory import without_collection
from opentep.host.tables import OUI_KEY, KeyMask, Storm

from .addresses import (
    group_mac,
    oui_of,
    parse_group_prefix,
    parse_ipv6,
    parse_mac,
    parse_oui,
    parse_vm_address,
)
from .check import check
from .errors import FabricError, KeyPath, Problem
from .model import Fabric, Group, Link, NextHop, Port, Rule, Tenant, Tep, Vm, VSwitch
from .source import Source, read_file, read_source
from .validate import schema_problems

__all__ = ["key_mask", "load", "loaded", "loads"]

T = TypeVar("T")


_TENANT_KEYS = {"oui": OUI_KEY, "vlan": KeyMask(0, 0xFFF), "oui+vlan": KeyMask(vid=0xFFF)}


def key_mask(raw: str | dict[str, Any]) -> KeyMask:
    """What a document's ``tenant_key`` means."""
    if isinstance(raw, str):
        return _TENANT_KEYS[raw]
    return KeyMask(parse_mac(raw["mac"]) if "mac" in raw else 0, raw.get("vlan", 0))


class _Loader:
    """Turns a document that satisfies the schema into the model."""

    def __init__(self, source: Source):
        self.source = source
        self.problems: list[Problem] = []

    def convert(self, path: KeyPath, text: str, parse: Callable[[str], T], fallback: T, remedy: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(self.source.problem(path, str(error), remedy))
            return fallback

    def ipv6(self, path: KeyPath, text: str) -> int:
        return self.convert(path, text, parse_ipv6, 0, "give an IPv6 address like fd00:1::1")

    def underlay_group(self, path: KeyPath, raw: dict[str, Any]) -> int:
        return self.ipv6((*path, "underlay_group"), raw["underlay_group"]) if "underlay_group" in raw else 0

    def port(self, path: KeyPath, raw: dict[str, Any], mac: str, mtu: int) -> Port:
        own = raw.get("mac", mac if raw["role"] == "fabric" else "")
        return Port(
            name=str(path[-1]),
            role=raw["role"],
            mac=parse_mac(own) if own else 0,
            native_vlan=raw.get("native_vlan", 0),
            next_hop=parse_mac(raw["next_hop"]) if "next_hop" in raw else None,
            router=self.ipv6((*path, "router"), raw["router"]) if "router" in raw else None,
            mtu=raw.get("mtu", mtu),
            tenant_key=key_mask(raw["tenant_key"]) if "tenant_key" in raw else None,
        )

    def tep(self, name: str, raw: dict[str, Any], mtu: int) -> Tep:
        path: KeyPath = ("teps", name)
        address = self.ipv6((*path, "address"), raw["address"])
        return Tep(
            name=name,
            address=address,
            sources=tuple(
                self.ipv6((*path, "sources", index), text)
                for index, text in enumerate(raw.get("sources", ()))
            )
            or (address,),
            encapsulation=Encapsulation[raw.get("encapsulation", "ethernet").upper()],
            sid_function=raw.get("sid_function", False),
            foreign=raw.get("foreign", False),
            link=Link(raw["link"]["device"], raw["link"].get("baud")) if "link" in raw else None,
            ports={
                key: self.port((*path, "ports", key), port, raw.get("mac", ""), mtu)
                for key, port in raw.get("ports", {}).items()
            },
            next_hops={
                key: tuple(
                    NextHop(parse_mac(hop["mac"]), hop.get("port"))
                    for hop in (hops if isinstance(hops, list) else [hops])
                )
                for key, hops in raw.get("next_hops", {}).items()
            },
            age_seconds=raw.get("age_seconds", 300),
            learned_limit=raw.get("learned_limit"),
            core=raw.get("core", {}),
        )

    def tenant(self, name: str, raw: dict[str, Any]) -> Tenant:
        ouis = [raw["oui"]] if "oui" in raw else []
        block = parse_mac(raw["block"]) if "block" in raw else None
        return Tenant(
            name=name,
            ouis=tuple(parse_oui(text) for text in ouis + raw.get("ouis", []))
            if block is None
            else (oui_of(block),),
            block=0 if block is None else block & 0xFFFFFF,
            network=raw.get("network", 0),
            vlan=raw.get("vlan", 0),
            owned=raw.get("owned", False),
            source=raw.get("source", "strict"),
            remote=raw.get("remote", "static"),
            unknown=raw.get("unknown", "drop"),
            group=raw.get("group", "egress"),
            underlay_group=self.underlay_group(("tenants", name), raw),
            storm=Storm(**raw["storm"]) if "storm" in raw else None,
            suppress=raw.get("suppress", False),
            teps=tuple(raw.get("teps", ())),
        )

    def vswitch(self, name: str, raw: dict[str, Any]) -> VSwitch:
        return VSwitch(
            name=name,
            tep=raw["tep"],
            port=raw["port"],
            driver=raw.get("driver", "print"),
            ovsdb=raw.get("ovsdb"),
            libvirt=raw.get("libvirt"),
            bridge=raw.get("bridge", "br0"),
            uplink=raw.get("uplink"),
            reserved_vlans=tuple(raw.get("reserved_vlans", ())),
        )

    def vm(self, name: str, raw: dict[str, Any]) -> Vm:
        remedy = "give the VM's own IP address, with a prefix length if you like, such as 10.0.0.1/24"
        addresses = tuple(
            text
            for index, text in enumerate(raw.get("addresses", ()))
            if self.convert(("vms", name, "addresses", index), text, parse_vm_address, None, remedy)
        )
        return Vm(
            name=name,
            tenant=raw["tenant"],
            vswitch=raw.get("vswitch"),
            tep=raw.get("tep"),
            mac=parse_mac(raw["mac"]) if "mac" in raw else None,
            vlan=raw.get("vlan"),
            interface=raw.get("interface", name),
            addresses=addresses,
        )

    def group(self, name: str, raw: dict[str, Any]) -> Group:
        mac = self.convert(
            ("groups", name, "address"),
            raw["address"],
            group_mac,
            0,
            "give a multicast address like 239.1.2.3, ff05::1:3 or 01:00:5e:01:02:03",
        )
        return Group(
            name=name,
            tenant=raw["tenant"],
            mac=mac,
            members=tuple(raw["members"]),
            underlay_group=self.underlay_group(("groups", name), raw),
        )

    def fabric(self) -> Fabric:
        raw = self.source.data
        underlay = raw.get("underlay", {})
        mtu = underlay.get("mtu", 1500)
        dscp = underlay.get("dscp", "copy")
        return Fabric(
            teps={name: self.tep(name, tep, mtu) for name, tep in raw["teps"].items()},
            mtu=mtu,
            hop_limit=underlay.get("hop_limit", 64),
            dscp=None if dscp == "copy" else dscp,
            group_prefix=self.convert(
                ("underlay", "groups"),
                underlay["groups"],
                parse_group_prefix,
                0,
                "give the first 96 bits of IPv6 group addresses, such as ff3e:30:fd00::/96",
            )
            if "groups" in underlay
            else 0,
            tenant_key=key_mask(raw.get("tenant_key", "oui")),
            tenants={
                name: self.tenant(name, tenant or {}) for name, tenant in raw.get("tenants", {}).items()
            },
            vswitches={name: self.vswitch(name, item) for name, item in raw.get("vswitches", {}).items()},
            vms={name: self.vm(name, vm) for name, vm in raw.get("vms", {}).items()},
            groups={name: self.group(name, group) for name, group in raw.get("groups", {}).items()},
            rules=tuple(Rule(rule["from"], rule["to"]) for rule in raw.get("rules", ())),
        )


def loaded(source: Source) -> Fabric:
    """The checked fabric of a parsed document. Raises :class:`FabricError` with every problem found."""
    problems = schema_problems(source)
    if problems:
        raise FabricError(problems)
    loader = _Loader(source)
    fabric = loader.fabric()
    unread = {problem.keys for problem in loader.problems}
    # What could not be read stands in the fabric as a zero, about which there is nothing more to say.
    problems = loader.problems + [problem for problem in check(fabric, source) if problem.keys not in unread]
    if problems:
        raise FabricError(problems)
    return fabric


@without_collection()
def load(path: Path) -> tuple[Fabric, Source]:
    """Read a document. Raises :class:`FabricError` with every problem found.

    The source comes along, so that later steps (allocation, table capacity) can point into the document.
    """
    source = read_file(path)
    return loaded(source), source


def loads(text: str, file: str = "fabric.yaml") -> tuple[Fabric, Source]:
    """Like :func:`load`, from text."""
    source = read_source(text, file)
    return loaded(source), source
