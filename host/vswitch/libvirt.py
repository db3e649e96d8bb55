"""libvirt: MAC address and VLAN ID in the definitions of domains, and the VLAN ID of running ones at once.

libvirt hands the VLAN ID on to what the interface is plugged into: a bridge of Open vSwitch, or a virtual function
(https://libvirt.org/formatdomain.html, "Setting VLAN tag"). The uplink is not its business.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.dom import minidom

from opentep.host.diff import Change
from opentep.host.fabric.addresses import format_mac

from .base import Attachment, VSwitchError, VSwitchPlan, Wanted
from .ovs import NOWHERE

__all__ = ["LibvirtDriver"]

_NAMESPACE = "https://opentep.org/xmlns/vm"
_PREFIX = "opentep"
"""Metadata of a domain whose interfaces this software has set: there is one element per VM."""

_PATIENCE_SECONDS = 30.0
_silent: dict[str, threading.Thread] = {}
"""Who still waits for an answer, by URI."""


def _libvirt() -> Any:
    try:
        import libvirt
    except ImportError:
        raise VSwitchError(
            "the driver 'libvirt' needs the Python package 'libvirt-python', which is not installed;"
            " remedy: pip install 'opentep[libvirt]'"
        ) from None
    libvirt.registerErrorHandler(lambda *_: None, None)  # it would print every error itself
    return libvirt


@dataclass(frozen=True)
class _Setting:
    """MAC address and VLAN ID of an interface; ``None`` where there is none, or where it is not to be changed."""

    mac: str | None
    vlan: int | None

    def __str__(self) -> str:
        vlan = "no VLAN ID" if self.vlan is None else f"VLAN {self.vlan}"
        return f"MAC {self.mac}, {vlan}" if self.mac else vlan


def _interfaces(document: minidom.Document) -> list[minidom.Element]:
    return [
        element
        for element in document.getElementsByTagName("interface")
        if element.parentNode is not None and element.parentNode.nodeName == "devices"
    ]


def _child(element: minidom.Element, name: str) -> minidom.Element | None:
    return next((node for node in element.childNodes if node.nodeName == name), None)  # type: ignore[return-value]


def _read(interface: minidom.Element) -> _Setting:
    mac, vlan = _child(interface, "mac"), _child(interface, "vlan")
    tags = [int(tag.getAttribute("id")) for tag in vlan.getElementsByTagName("tag")] if vlan else []
    trunk = vlan is not None and (vlan.getAttribute("trunk") == "yes" or len(tags) != 1)
    return _Setting(mac.getAttribute("address") if mac else None, None if trunk or not tags else tags[0])


def _write(document: minidom.Document, interface: minidom.Element, setting: _Setting) -> None:
    for name in ("vlan", *(("mac",) if setting.mac else ())):
        old = _child(interface, name)
        if old is not None:
            interface.removeChild(old)
    if setting.mac:
        mac = document.createElement("mac")
        mac.setAttribute("address", setting.mac)
        interface.appendChild(mac)
    if setting.vlan is not None:
        vlan, tag = document.createElement("vlan"), document.createElement("tag")
        tag.setAttribute("id", str(setting.vlan))
        vlan.appendChild(tag)
        interface.appendChild(vlan)


def _place(item: Attachment) -> tuple[str, int]:
    """Domain, and number of its interface."""
    domain, _, number = item.interface.partition("/")
    return domain, int(number or 0)


class _Domain:
    """A domain whose interfaces are to be set."""

    def __init__(self, libvirt: Any, domain: Any):
        self._libvirt = libvirt
        self._domain = domain
        self.name: str = domain.name()
        self.is_running = bool(domain.isActive())
        self.is_persistent = bool(domain.isPersistent())

    def document(self, *, running: bool) -> minidom.Document:
        # Without SECURE a new definition would lose passwords.
        whole = self._libvirt.VIR_DOMAIN_XML_SECURE | self._libvirt.VIR_DOMAIN_XML_INACTIVE
        return minidom.parseString(self._domain.XMLDesc(0 if running else whole))

    def owned(self) -> dict[int, tuple[str, str]]:
        """vSwitch and VM that this software has set interfaces for, by number."""
        try:
            text = self._domain.metadata(self._libvirt.VIR_DOMAIN_METADATA_ELEMENT, _NAMESPACE)
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return {}
            raise
        elements = minidom.parseString(text).getElementsByTagName("vm")
        return {
            int(element.getAttribute("interface")): (
                element.getAttribute("vswitch"),
                element.getAttribute("name"),
            )
            for element in elements
        }

    def own(self, vms: dict[int, tuple[str, str]]) -> None:
        document = minidom.Document()
        root = document.createElement("vms")
        for number, (vswitch, name) in sorted(vms.items()):
            element = document.createElement("vm")
            element.setAttribute("interface", str(number))
            element.setAttribute("vswitch", vswitch)
            element.setAttribute("name", name)
            root.appendChild(element)
        kind = self._libvirt.VIR_DOMAIN_METADATA_ELEMENT
        text = root.toxml() if vms else None
        flags = self._libvirt.VIR_DOMAIN_AFFECT_LIVE if self.is_running else 0
        flags |= self._libvirt.VIR_DOMAIN_AFFECT_CONFIG if self.is_persistent else 0
        self._domain.setMetadata(kind, text, _PREFIX, _NAMESPACE, flags)

    def define(self, settings: dict[int, _Setting]) -> None:
        """For the next start."""
        document = self.document(running=False)
        interfaces = _interfaces(document)
        for number, setting in settings.items():
            _write(document, interfaces[number], setting)
        assert document.documentElement is not None
        self._domain.connect().defineXML(document.documentElement.toxml())

    def update(self, number: int, vlan: int) -> None:
        """Now."""
        document = self.document(running=True)
        interface = _interfaces(document)[number]
        _write(document, interface, _Setting(None, vlan))
        self._domain.updateDeviceFlags(interface.toxml(), self._libvirt.VIR_DOMAIN_AFFECT_LIVE)


class LibvirtDriver:
    """Sets, in domains of one connection: MAC address and VLAN ID of the VMs' interfaces, as they are defined and as
    they run. A running domain keeps its MAC address until it is started anew. An interface that was set for a VM that
    left gets a VLAN ID that reaches nobody. Nothing else is touched."""

    def __init__(self, wanted: Wanted):
        if wanted.vswitch.libvirt is None:
            raise ValueError("the driver needs 'libvirt', checked when the document was loaded")
        self._wanted = wanted
        self._uri = wanted.vswitch.libvirt

    def plan(self) -> VSwitchPlan:
        return self._go(do=False)

    def apply(self) -> VSwitchPlan:
        return self._go(do=True)

    @contextmanager
    def _connected(self) -> Iterator[tuple[Any, Any]]:
        libvirt = _libvirt()
        try:
            connection = libvirt.open(self._uri)
            try:
                yield libvirt, connection
            finally:
                connection.close()
        except libvirt.libvirtError as error:
            raise VSwitchError(f"libvirt at {self._uri}: {error}") from None

    def _go(self, *, do: bool) -> VSwitchPlan:
        """In a thread of its own: a host that is dead, or asks for a password, may never answer."""
        silent = _silent.get(self._uri)
        if silent is not None and silent.is_alive():
            raise VSwitchError(f"libvirt at {self._uri} still does not answer")
        outcome: list[VSwitchPlan | Exception] = []

        def work() -> None:
            try:
                outcome.append(self._bring_all(do=do))
            except Exception as error:
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(_PATIENCE_SECONDS)
        if not outcome:
            _silent[self._uri] = thread
            raise VSwitchError(f"libvirt at {self._uri} does not answer within {_PATIENCE_SECONDS:g} s")
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def _bring_all(self, *, do: bool) -> VSwitchPlan:
        wanted: dict[str, dict[int, Attachment]] = {}
        for item in self._wanted.attachments:
            domain, number = _place(item)
            wanted.setdefault(domain, {})[number] = item
        changes: list[Change] = []
        missing: list[str] = []
        instructions: list[str] = []
        errors: list[str] = []
        with self._connected() as (libvirt, connection):
            domains = {domain.name(): domain for domain in connection.listAllDomains()}
            missing += [
                item.interface for name in wanted.keys() - domains.keys() for item in wanted[name].values()
            ]
            # First those that give up VLAN IDs, which others may get.
            for name, domain in sorted(domains.items(), key=lambda item: (item[0] in wanted, item[0])):
                try:
                    mine = _Domain(libvirt, domain)
                    self._bring(mine, wanted.get(name, {}), changes, missing, instructions, do=do)
                except libvirt.libvirtError as error:
                    # The others are none the worse for it.
                    if name in wanted:
                        errors.append(f"domain {name}: {error}")
        if errors:
            raise VSwitchError(f"libvirt at {self._uri}: {'; '.join(errors)}")
        return VSwitchPlan(tuple(changes), tuple(sorted(missing)), "\n".join(instructions), bool(changes))

    def _bring(
        self,
        domain: _Domain,
        wanted: dict[int, Attachment],
        changes: list[Change],
        missing: list[str],
        instructions: list[str],
        *,
        do: bool,
    ) -> None:
        owned = domain.owned()
        name = self._wanted.vswitch.name
        left = {n: vm for n, (vswitch, vm) in owned.items() if vswitch == name and n not in wanted}
        if not wanted and not left:
            return
        settings = {number: _Setting(None, NOWHERE) for number in left}
        settings |= {n: _Setting(format_mac(item.mac), item.vlan) for n, item in wanted.items()}
        defined = [_read(element) for element in _interfaces(domain.document(running=False))]
        running = (
            [_read(element) for element in _interfaces(domain.document(running=True))]
            if domain.is_running
            else []
        )
        for number in [number for number in settings if number >= max(len(running), len(defined))]:
            del settings[number]
            if number in wanted:
                missing.append(wanted[number].interface)

        def change(number: int, before: _Setting, how: str) -> None:
            place = f"{name} {domain.name}/{number} {how}"
            after = str(settings[number])
            if number in wanted:
                after += f" for VM {wanted[number].vm}"
            else:
                after = f"VLAN of nobody: VM {left[number]} left"
            changes.append(Change("vswitch", place, str(before), after))

        others = {n: owner for n, owner in owned.items() if n not in wanted and n not in left}
        then = others | {n: (name, item.vm) for n, item in wanted.items() if n in settings}
        if do and owned | then != owned:
            domain.own(owned | then)  # first: whatever is set has an owner
        redefine = {}
        for number, setting in settings.items():
            if domain.is_persistent and number < len(defined) and _differs(defined[number], setting):
                change(number, defined[number], "as defined")
                redefine[number] = setting
        if do and redefine:
            domain.define(redefine)
        for number, setting in settings.items():
            if number < len(running) and running[number].vlan != setting.vlan:
                change(number, running[number], "as it runs")
                if do and setting.vlan is not None:
                    domain.update(number, setting.vlan)
            if number < len(running) and setting.mac not in (None, running[number].mac):
                instructions.append(
                    f"domain {domain.name} runs with MAC {running[number].mac}; start it anew to give it {setting.mac}"
                )
        if do and then != owned | then:
            domain.own(then)


def _differs(now: _Setting, setting: _Setting) -> bool:
    return now.vlan != setting.vlan or setting.mac not in (None, now.mac)
