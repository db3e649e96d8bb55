"""What the fabric must be for what a controller of `hardware_vtep` wants.

A logical switch is a tenant: one of the fabric with its name or its tunnel key as ``network``, else one of the
adapter's own. A VLAN ID bound at a port is a VM there: the fabric gives it a MAC address, unless tenants go by VLAN ID
alone; then whoever is behind it is learned. Tunnel end points that the fabric does not know are foreign TEPs.
"""

import hashlib
import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from opentep.host.controller.objects import Key
from opentep.host.fabric.addresses import format_mac, parse_mac
from opentep.host.fabric.load import key_mask
from opentep.host.tables import KeyMask

from .rows import Binding, Flood, LogicalSwitch, RemoteMac, Requests

__all__ = ["Derived", "Document", "Refusal", "derive"]

_NAME_LENGTH = 63
_MAPPING = "invalid_vlan_map"
_OTHER = "unspecified_fault"
_LEARNING = {"source": "learn", "remote": "learn", "unknown": "flood"}
"""Of tenants whose VMs nobody names."""


@dataclass(frozen=True, order=True)
class Refusal:
    """What cannot be done, and where the controller shall see it (vtep(5), error notification)."""

    message: str
    tep: str = ""
    """Empty: at all."""
    port: str = ""
    """Empty: at the switch."""
    fault: str = _OTHER


class Document:
    """A complete fabric document, by what is looked for.

    ``prefix``: what names of the adapter's own objects begin with.
    """

    def __init__(self, document: dict[str, Any], teps: Collection[str], prefix: str):
        self.prefix = prefix
        self.teps: dict[str, Any] = document["teps"]
        self.tenants: dict[str, Any] = document.get("tenants", {})
        self.vswitches: dict[str, Any] = document.get("vswitches", {})
        self.vms: dict[str, Any] = document.get("vms", {})
        self.key = key_mask(document.get("tenant_key", "oui"))
        self.served = {
            name: tep
            for name, tep in self.teps.items()
            if not tep.get("foreign") and (not teps or name in teps)
        }

    def is_own(self, name: str) -> bool:
        return name.startswith(self.prefix)

    def ports(self, tep: str) -> dict[str, Any]:
        """Access ports by name."""
        ports = self.teps[tep].get("ports", {})
        return {name: port for name, port in ports.items() if port["role"] == "access"}

    def key_at(self, port: dict[str, Any]) -> KeyMask:
        return key_mask(port["tenant_key"]) if "tenant_key" in port else self.key


@dataclass
class Derived:
    """What follows from the requests."""

    objects: dict[Key, Any] = field(default_factory=dict)
    """The adapter's own, as the fabric should have them."""
    tenants: dict[str, str] = field(default_factory=dict)
    """By logical switch."""
    refusals: list[Refusal] = field(default_factory=list)
    places: dict[Key, Refusal] = field(default_factory=dict)
    """Where it is told, should the fabric not take an object; the message is still to come."""


def _canonical(address: str) -> str:
    return str(ipaddress.ip_address(address))


class _Derivation:
    def __init__(self, document: Document, requests: Requests):
        self.document = document
        self.requests = requests
        self.done = Derived()
        self.logical = {switch.name: switch for switch in requests.switches}
        others = {name: spec or {} for name, spec in document.tenants.items() if not document.is_own(name)}
        self._tenants = others
        self._networks = {spec["network"]: name for name, spec in others.items() if "network" in spec}
        self._vswitches = {
            (spec["tep"], spec["port"]): name
            for name, spec in document.vswitches.items()
            if not document.is_own(name)
        }
        self._peers = {
            _canonical(tep["address"]): name
            for name, tep in document.teps.items()
            if not document.is_own(name)
        }
        vms = {name: vm for name, vm in document.vms.items() if not document.is_own(name)}
        self._at_vlan = {(vm["vswitch"], vm["vlan"]): vm for vm in vms.values() if "vswitch" in vm}
        self._at_mac = {(vm["tenant"], vm["mac"]): vm for vm in vms.values() if "mac" in vm}

    def refuse(self, message: str, where: Binding | None = None, fault: str = _MAPPING) -> None:
        if where is None:
            self.done.refusals.append(Refusal(message))
        else:
            text = f"VLAN {where.vlan} of {where.tep} {where.port}: {message}"
            self.done.refusals.append(Refusal(text, where.tep, where.port, fault))

    def name(self, *parts: str) -> str:
        """Of an object of one's own; no two of the same kind, or so it is hoped (:meth:`add` looks)."""
        text = ".".join(parts)
        room = _NAME_LENGTH - len(self.document.prefix)
        clean = re.sub(r"[^A-Za-z0-9_.-]", "-", text)
        if clean != text or len(clean) > room:
            digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
            clean = f"{clean[: room - 9]}-{digest}"
        return self.document.prefix + clean

    def add(self, kind: str, name: str, spec: dict[str, Any], place: Refusal) -> bool:
        key = Key(kind, name)
        if self.done.objects.get(key, spec) != spec:
            return False
        self.done.objects[key] = spec
        self.done.places.setdefault(key, place)
        return True

    def tenant(self, switch: LogicalSwitch) -> str | None:
        """Of the fabric, if it is to have one that was there before."""
        if switch.name in self._tenants:
            network = self._tenants[switch.name].get("network")
            if switch.tunnel_key is not None and network not in (None, switch.tunnel_key):
                self.refuse(
                    f"logical switch '{switch.name}' has tunnel key {switch.tunnel_key},"
                    f" but the tenant of this name has network {network}"
                )
            return switch.name
        return self._networks.get(switch.tunnel_key) if switch.tunnel_key is not None else None

    def known_tenants(self) -> None:
        for switch in self.requests.switches:
            tenant = self.tenant(switch)
            if tenant is not None:
                self.done.tenants[switch.name] = tenant

    def bind(self, binding: Binding) -> None:
        """A VM at a port."""
        port = self.document.ports(binding.tep).get(binding.port)
        if port is None:
            return  # soon to be no port of the switch any more
        vlan = binding.vlan or port.get("native_vlan", 0)
        if not vlan:
            return self.refuse("untagged frames are dropped, as the port has no 'native_vlan'", binding)
        if vlan == 4095:
            return self.refuse("IEEE 802.1Q reserves it", binding)
        place = Refusal("", binding.tep, binding.port, _MAPPING)
        tenant = self.tenant_at(binding, vlan & self.document.key_at(port).vid, place)
        if tenant is None:
            return None
        vswitch = self._vswitches.get((binding.tep, binding.port))
        if vswitch is None:
            vswitch = self.name(binding.tep, binding.port)
            spec = {"tep": binding.tep, "port": binding.port}
            if not self.add("vswitches", vswitch, spec, place):
                return self.refuse(f"vSwitch '{vswitch}' is another port's", binding)
        there = self._at_vlan.get((vswitch, vlan))
        if there is not None:
            if there["tenant"] != tenant:
                self.refuse(f"it is a VM's of tenant '{there['tenant']}'", binding)
            return None
        name = self.name(binding.tep, binding.port, str(vlan))
        if not self.add("vms", name, {"tenant": tenant, "vswitch": vswitch, "vlan": vlan}, place):
            self.refuse("it is another binding's as well", binding)
        return None

    def tenant_at(self, binding: Binding, bits: int, place: Refusal) -> str | None:
        """Of the logical switch of ``binding``, where its VLAN ID has ``bits`` that tell the tenant."""
        switch = self.logical[binding.switch]
        known = self.done.tenants.get(switch.name)
        if known is not None and not self.document.is_own(known):
            return known
        name = self.name(switch.name)
        spec: dict[str, Any] = {}
        if switch.tunnel_key is not None:
            spec["network"] = switch.tunnel_key
        if bits:
            spec |= {"vlan": bits, **_LEARNING}
        if not self.add("tenants", name, spec, place):
            self.refuse(
                f"tenants go by VLAN ID, and that of logical switch '{switch.name}' is another one elsewhere",
                binding,
            )
            return None
        self.done.tenants[switch.name] = name
        return name

    def peer(self, address: str, switch: str, tenant: str) -> str | None:
        """The foreign TEP at ``address`` for frames of ``tenant``; ``None``: none, or an opentep of this fabric."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            self.refuse(f"logical switch '{switch}': '{address}' is no IP address")
            return None
        if parsed.version == 4:
            self.refuse(f"logical switch '{switch}': the underlay has IPv6 only, {parsed} cannot be reached")
            return None
        if parsed.is_multicast or parsed.is_unspecified or parsed.is_loopback:
            self.refuse(f"logical switch '{switch}': {parsed} is not a unicast address of a node")
            return None
        known = self._peers.get(str(parsed))
        if known is not None and not self.document.teps[known].get("foreign"):
            return None
        spec = self.done.objects.get(Key("tenants", tenant)) or self._tenants.get(tenant, {})
        if "network" not in spec:
            self.refuse(f"logical switch '{switch}': without a tunnel key, nothing can be sent to {parsed}")
            return None
        if known is not None:
            return known
        name = self.document.prefix + str(parsed).replace(":", "-")
        spec = {"foreign": True, "address": str(parsed), "encapsulation": "vxlan"}
        self.add("teps", name, spec, Refusal(""))
        return name

    def flood(self, flood: Flood) -> None:
        """TEPs that a tenant is present at."""
        tenant = self.done.tenants.get(flood.switch)
        if tenant is None:
            return
        # Of service nodes one is enough, and which is healthy nobody knows here.
        addresses = flood.addresses if self.logical[flood.switch].source_node else flood.addresses[:1]
        peers = [peer for address in addresses if (peer := self.peer(address, flood.switch, tenant))]
        spec = self.done.objects.get(Key("tenants", tenant))
        if spec is None:
            if peers:
                self.refuse(
                    f"logical switch '{flood.switch}': frames for many go where tenant '{tenant}' has VMs;"
                    f" for more TEPs say so at the tenant (`teps`)"
                )
            return
        if peers:
            spec["teps"] = sorted({*spec.get("teps", ()), *peers})

    def remote(self, remote: RemoteMac) -> None:
        """A VM behind a foreign TEP."""
        tenant = self.done.tenants.get(remote.switch)
        if tenant is None:
            return
        try:
            mac = format_mac(parse_mac(remote.mac))
        except ValueError as error:
            return self.refuse(f"logical switch '{remote.switch}': {error}")
        tep = self.peer(remote.address, remote.switch, tenant)
        if tep is None:
            return None
        there = self._at_mac.get((tenant, mac))
        if there is not None:
            if there.get("tep") != tep:
                self.refuse(f"logical switch '{remote.switch}': {mac} is somewhere else by the fabric")
            return None
        spec: dict[str, Any] = {"tenant": tenant, "tep": tep, "mac": mac}
        try:
            if remote.ip:
                spec["addresses"] = [_canonical(remote.ip)]
        except ValueError:
            self.refuse(f"logical switch '{remote.switch}': '{remote.ip}' of {mac} is no IP address")
        self.name_oui(tenant, mac)
        name = self.name(tenant.removeprefix(self.document.prefix), mac.replace(":", ""))
        if not self.add("vms", name, spec, Refusal("")):
            self.refuse(f"logical switch '{remote.switch}': {mac} is at two places")
        return None

    def name_oui(self, tenant: str, mac: str) -> None:
        """Whoever gives out addresses of an OUI by itself takes it out of what is allocated."""
        spec = self.done.objects.get(Key("tenants", tenant))
        given = (self.document.tenants.get(tenant) or {}).get("oui", "")
        if spec is not None and given and mac.startswith(given):
            spec["oui"] = given

    def run(self) -> Derived:
        self.known_tenants()
        for binding in self.requests.bindings:
            if binding.tep in self.document.served:
                self.bind(binding)
        for flood in self.requests.floods:
            self.flood(flood)
        for remote in self.requests.remotes:
            self.remote(remote)
        return self.done


def derive(document: Document, requests: Requests) -> Derived:
    """What the adapter's own objects should be. Follows from its arguments alone."""
    return _Derivation(document, requests).run()
