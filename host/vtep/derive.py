"""What the fabric must be for what a controller of `hardware_vtep` wants.

A logical switch is a tenant: one of the fabric with its name or its tunnel key as ``network``, else one of the
adapter's own. A VLAN ID bound at a port is a VM there: the fabric gives it a MAC address, unless tenants go by VLAN ID
alone; then whoever is behind it is learned. Tunnel end points that the fabric does not know are foreign TEPs.
"""

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from opentep.host.controller.objects import Key
from opentep.host.fabric.addresses import format_mac, format_oui, parse_mac, parse_oui, parse_vm_address
from opentep.host.tables import OUI_KEY, KeyMask

from .document import Document
from .rows import Binding, Flood, RemoteMac, Requests

__all__ = ["Derived", "Refusal", "derive"]


_NAME_LENGTH = 63
_RESERVED_VLAN = 4095
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

    def place_of(self, key: Key, document: Document) -> Refusal:
        """Where it is told that an object is not as it should be."""
        if key in self.places:
            return self.places[key]
        spec = document.vms.get(key.name, {}) if key.kind == "vms" else {}
        vswitch = (
            document.vswitches.get(spec.get("vswitch", key.name), {})
            if key.kind in ("vms", "vswitches")
            else {}
        )
        return Refusal("", vswitch.get("tep", ""), vswitch.get("port", ""))


def _canonical(address: str) -> str:
    return str(ipaddress.ip_address(address))


def _vlan(binding: Binding, port: dict[str, Any]) -> int:
    """VLAN ID of the frames that are meant; 0: none, as nobody takes untagged ones."""
    return int(binding.vlan or port.get("native_vlan", 0))


class _Derivation:
    def __init__(self, document: Document, requests: Requests):
        self.document = document
        self.requests = requests
        self.done = Derived()
        self.logical = {switch.name: switch for switch in requests.switches}
        self.bindings = [binding for binding in requests.bindings if binding.tep in document.served]
        self.bits: dict[str, int] = {}
        self.keys = {switch.tunnel_key for switch in requests.switches}
        self.holders: dict[int, str] = {}
        """Logical switches by tunnel key: who has it first, keeps it."""
        self._unusable: set[str] = set()
        """Logical switches that cannot be a tenant."""
        self._tenants = document.others("tenants")
        self._networks = {spec["network"]: name for name, spec in self._tenants.items() if "network" in spec}
        self._vswitches = {
            (spec["tep"], spec["port"]): name for name, spec in document.others("vswitches").items()
        }
        self._peers = {_canonical(tep["address"]): name for name, tep in document.others("teps").items()}
        self._strangers: dict[str, dict[str, Any]] = {}
        """Foreign TEPs that the fabric does not know (:meth:`meet`)."""
        vms = document.others("vms").values()
        self._at_vlan = {(vm["vswitch"], vm["vlan"]): vm for vm in vms if "vswitch" in vm}
        self._at_mac = {(vm["tenant"], vm["mac"]): vm for vm in vms if "mac" in vm}
        self._remote = {(vm["tenant"], vm["tep"]) for vm in vms if "tep" in vm}

    def refuse(self, message: str, where: Binding | None = None) -> None:
        if where is None:
            self.done.refusals.append(Refusal(message))
        else:
            text = f"VLAN {where.vlan} of {where.tep} {where.port}: {message}"
            self.done.refusals.append(Refusal(text, where.tep, where.port, _MAPPING))

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

    def known_tenants(self) -> None:
        """Tenants that were there before, by name or else by network. Each is one logical switch."""
        taken: dict[str, str] = {}
        by_name = [switch for switch in self.requests.switches if switch.name in self._tenants]
        by_network = [switch for switch in self.requests.switches if switch.name not in self._tenants]
        for switch in (*by_name, *by_network):
            tenant = switch.name
            if switch.name not in self._tenants:
                known = self._networks.get(switch.tunnel_key) if switch.tunnel_key is not None else None
                if known is None:
                    continue
                tenant = known
            network = self._tenants[tenant].get("network")
            if switch.tunnel_key is not None and network not in (None, switch.tunnel_key):
                self._unusable.add(switch.name)
                self.refuse(
                    f"logical switch '{switch.name}' has tunnel key {switch.tunnel_key},"
                    f" but the tenant of this name has network {network}"
                )
            elif taken.setdefault(tenant, switch.name) != switch.name:
                self._unusable.add(switch.name)
                self.refuse(f"logical switch '{switch.name}': tenant '{tenant}' is '{taken[tenant]}' already")
            else:
                self.done.tenants[switch.name] = tenant

    def vlan_bits(self) -> dict[str, int]:
        """Where tenants go by VLAN ID: what theirs is, by logical switch, as the first binding has it."""
        bits: dict[str, int] = {}
        for binding in self.bindings:
            port = self.document.ports(binding.tep).get(binding.port)
            vlan = _vlan(binding, port) if port is not None else 0
            if port is not None and 0 < vlan < _RESERVED_VLAN and self.document.key_at(port).vid:
                bits.setdefault(binding.switch, vlan & self.document.key_at(port).vid)
        return bits

    def bind(self, binding: Binding) -> None:
        """A VM at a port."""
        port = self.document.ports(binding.tep).get(binding.port)
        if port is None:
            return  # soon to be no port of the switch any more
        vlan = _vlan(binding, port)
        if not vlan:
            return self.refuse("untagged frames are dropped, as the port has no 'native_vlan'", binding)
        if vlan == _RESERVED_VLAN:
            return self.refuse("IEEE 802.1Q reserves it", binding)
        vswitch = self._vswitches.get((binding.tep, binding.port))
        driver = self.document.vswitches[vswitch].get("driver", "print") if vswitch else "print"
        if driver != "print":
            return self.refuse(
                f"vSwitch '{vswitch}' is set by driver '{driver}', which has to know VMs", binding
            )
        place = Refusal("", binding.tep, binding.port, _MAPPING)
        tenant = self.tenant_at(binding, self.document.key_at(port), vlan, place)
        if tenant is None:
            return None
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

    def tenant_at(self, binding: Binding, key: KeyMask, vlan: int, place: Refusal) -> str | None:
        """Of the logical switch of ``binding``, at a port that goes by ``key``."""
        switch = self.logical[binding.switch]
        if switch.name in self._unusable:
            self.refuse(f"logical switch '{switch.name}' is no tenant here", binding)
            return None
        bits = self.bits.get(switch.name)
        if key.vid and vlan & key.vid != bits:
            self.refuse(
                f"tenants go by VLAN ID, and that of logical switch '{switch.name}' is another one elsewhere",
                binding,
            )
            return None
        known = self.done.tenants.get(switch.name)
        if known is not None:
            self.learn(known, key)
            return known
        if self.document.by_vlan and bits is None:
            self.refuse(
                f"tenants go by VLAN ID at other ports, and none of them has logical switch '{switch.name}'",
                binding,
            )
            return None
        name = self.name(switch.name)
        before = self.document.tenants.get(name) or {}
        spec: dict[str, Any] = {}
        # OVN takes a key back when nobody is left at the other end; tenants by VLAN ID go on needing one.
        kept = before.get("network")
        network = switch.tunnel_key or (None if kept in self.keys else kept)
        if network is None and kept is not None and bits is not None:
            self.refuse(
                f"tunnel key {kept} of logical switch '{switch.name}' is that of another one now", binding
            )
            return None
        if network is not None:
            holder = self.holders.setdefault(network, switch.name)
            if holder != switch.name:
                self.refuse(
                    f"logical switches '{holder}' and '{switch.name}' have the same tunnel key", binding
                )
                return None
            spec["network"] = network
        if "oui" in before:
            spec["oui"] = before["oui"]  # once allocated, it is the controller's to give out addresses of
        if bits is not None:
            spec["vlan"] = bits
        if not self.add("tenants", name, spec, place):
            self.refuse(f"tenant '{name}' is another logical switch's as well", binding)
            return None
        self.done.tenants[switch.name] = name
        self.learn(name, key)
        return name

    def learn(self, tenant: str, key: KeyMask) -> None:
        """If the tenant is one of the adapter's own, and nothing at a port that goes by ``key`` tells who is there."""
        spec = self.done.objects.get(Key("tenants", tenant))
        if spec is not None and not key.mac:
            spec |= _LEARNING

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
        self._strangers[name] = {"foreign": True, "address": str(parsed), "encapsulation": "vxlan"}
        return name

    def meet(self, peer: str) -> None:
        """Have the fabric know a foreign TEP that something goes to."""
        if peer in self._strangers:
            self.add("teps", peer, self._strangers[peer], Refusal(""))

    def flood(self, flood: Flood) -> None:
        """TEPs that a tenant is present at."""
        tenant = self.done.tenants.get(flood.switch)
        if tenant is None:
            return
        found = (self.peer(address, flood.switch, tenant) for address in flood.addresses)
        # Of service nodes one is enough, and which is healthy nobody knows here.
        count = None if self.logical[flood.switch].source_node else 1
        peers = list(islice((peer for peer in found if peer is not None), count))
        for peer in peers:
            self.meet(peer)
        spec = self.done.objects.get(Key("tenants", tenant))
        if spec is not None:
            if peers:
                spec["teps"] = sorted({*spec.get("teps", ()), *peers})
            return
        there = set(self._tenants[tenant].get("teps", ())) | {
            tep for name, tep in self._remote if name == tenant
        }
        for peer in peers:
            if peer not in there:
                self.refuse(
                    f"logical switch '{flood.switch}': frames for many go where tenant '{tenant}' has VMs;"
                    f" for '{peer}', too, say so at the tenant ('teps')"
                )

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
        ouis = self.ouis(tenant)
        if self.document.key == OUI_KEY and ouis and mac[:8] not in ouis:
            return self.refuse(
                f"logical switch '{remote.switch}': {mac} is in none of the OUIs of tenant '{tenant}'"
            )
        there = self._at_mac.get((tenant, mac))
        if there is not None:
            if there.get("tep") != tep:
                self.refuse(f"logical switch '{remote.switch}': {mac} is somewhere else by the fabric")
            return None
        self.meet(tep)
        spec: dict[str, Any] = {"tenant": tenant, "tep": tep, "mac": mac}
        try:
            if remote.ip:
                spec["addresses"] = [str(parse_vm_address(remote.ip))]
        except ValueError:
            self.refuse(f"logical switch '{remote.switch}': '{remote.ip}' of {mac} is no IP address of a VM")
        name = self.name(tenant.removeprefix(self.document.prefix), mac.replace(":", ""))
        if not self.add("vms", name, spec, Refusal("")):
            self.refuse(f"logical switch '{remote.switch}': {mac} is at two places")
        return None

    def ouis(self, tenant: str) -> set[str]:
        """Of a tenant that has some already."""
        spec = self.document.tenants.get(tenant) or {}
        given = [*spec.get("ouis", ()), *([spec["oui"]] if "oui" in spec else ())]
        return {format_oui(parse_oui(oui)) for oui in given}

    def run(self) -> Derived:
        self.known_tenants()
        for switch in self.requests.switches:
            spec = self.document.tenants.get(self.name(switch.name)) or {}
            if switch.tunnel_key is not None and spec.get("network") == switch.tunnel_key:
                self.holders.setdefault(switch.tunnel_key, switch.name)
        self.bits = self.vlan_bits()
        for binding in self.bindings:
            self.bind(binding)
        for flood in self.requests.floods:
            self.flood(flood)
        for remote in self.requests.remotes:
            self.remote(remote)
        return self.done


def derive(document: Document, requests: Requests) -> Derived:
    """What the adapter's own objects should be. Follows from its arguments alone."""
    return _Derivation(document, requests).run()
