"""MAC, OUI and IP addresses as integers, and the texts that people write for them."""

import ipaddress
import re
from collections.abc import Iterator

from opentep.gateware.headers import GROUP_PREFIX_BITS

__all__ = [
    "GROUP_BIT",
    "LOCAL_BIT",
    "aai_ouis",
    "format_ip",
    "format_ipv6",
    "format_mac",
    "format_oui",
    "group_mac",
    "oui_of",
    "parse_group_prefix",
    "parse_host",
    "parse_ipv6",
    "parse_mac",
    "parse_oui",
    "parse_vm_address",
    "refusal",
]

GROUP_BIT = 0x010000
"""I/G bit of an OUI."""
LOCAL_BIT = 0x020000
"""U/L bit of an OUI."""

_OCTET = re.compile("[0-9A-Fa-f]{2}")

_QUADRANT = 0x0F0000
"""Second hex digit: the SLAP quadrant together with I/G and U/L (IEEE 802c-2017)."""


def _parse_octets(text: str, count: int) -> int:
    octets = text.replace("-", ":").split(":")
    if len(octets) != count or not all(map(_OCTET.fullmatch, octets)):
        raise ValueError(f"'{text}' does not have {count} octets of two hex digits")
    return int("".join(octets), 16)


def parse_mac(text: str) -> int:
    """``12:00:01:00:00:01`` as an integer, first octet most significant."""
    return _parse_octets(text, 6)


def parse_oui(text: str) -> int:
    """``12:00:01`` as an integer, first octet most significant."""
    return _parse_octets(text, 3)


def parse_ipv6(text: str) -> int:
    """An IPv6 address without zone; raises ``ValueError``."""
    address = ipaddress.IPv6Address(text)
    if address.scope_id:
        raise ValueError(f"'{text}' has a zone, which means nothing in a tunnel header")
    return int(address)


def parse_host(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """A node's IP address, with or without prefix length or netmask; raises ``ValueError``."""
    address, _, length = text.partition("/")
    if length.isascii() and length.isdigit() and len(length) < 3:
        # ``ip_interface`` would make the network out of it as well, which takes ten times as long.
        host = ipaddress.ip_address(address)
        if int(length) <= host.max_prefixlen:
            return host
    return ipaddress.ip_interface(text).ip


def parse_vm_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The same of a VM: unicast, without zone; raises ``ValueError``."""
    if "%" in text:
        raise ValueError(f"'{text}' has a zone, which means nothing outside the VM")
    address = parse_host(text)
    if address.is_multicast or address.is_unspecified:
        raise ValueError(f"{address} is not an address of a VM")
    return address


def parse_group_prefix(text: str) -> int:
    """A prefix of :data:`GROUP_PREFIX_BITS` of IPv6 group addresses, as an address; raises ``ValueError``."""
    prefix = ipaddress.IPv6Network(text)
    if prefix.prefixlen != GROUP_PREFIX_BITS or not prefix.is_multicast:
        raise ValueError(f"'{text}' is not {GROUP_PREFIX_BITS} bits of IPv6 group addresses")
    return int(prefix.network_address)


def format_mac(mac: int) -> str:
    return mac.to_bytes(6, "big").hex(":")


def format_oui(oui: int) -> str:
    return oui.to_bytes(3, "big").hex(":")


def format_ipv6(address: int) -> str:
    return str(ipaddress.IPv6Address(address))


def format_ip(version: int, address: int) -> str:
    """An address of IPv4 or IPv6."""
    return str(ipaddress.IPv4Address(address)) if version == 4 else format_ipv6(address)


def oui_of(mac: int) -> int:
    """First three octets."""
    return mac >> 24


def group_mac(text: str) -> int:
    """Destination MAC of a group: a group MAC as it is, an IP group by RFC 1112, 6.4 or RFC 2464, 7."""
    try:
        mac = parse_mac(text)
    except ValueError:
        address = ipaddress.ip_address(text)
        if not address.is_multicast or "%" in text:
            raise ValueError(f"{text} is not a multicast address without zone") from None
        if address.version == 4:
            return 0x01005E000000 | int(address) & 0x7FFFFF
        return 0x333300000000 | int(address) & 0xFFFFFFFF
    if not mac >> 24 & GROUP_BIT:
        raise ValueError(f"{text} is not a group address: its I/G bit is 0")
    if mac == 0xFFFFFFFFFFFF:
        raise ValueError("broadcast always reaches the whole tenant")
    if mac & ~0xF == 0x0180C2000000:
        raise ValueError(f"{text} is link-local (IEEE 802.1Q, table 8-1) and never forwarded")
    return mac


def aai_ouis(start: int = 1) -> Iterator[int]:
    """OUIs for automatic allocation, from number ``start`` on and around once.

    They are the administratively assigned quadrant of IEEE 802c: second hex digit 2, 2^20 of them.
    """
    for step in range(1 << 20):
        number = (start + step) % (1 << 20)
        oui = (number >> 16) << 20 | LOCAL_BIT | number & 0xFFFF
        if refusal(oui) is None:
            yield oui


def refusal(oui: int, *, owned: bool = False) -> str | None:
    """Why ``oui`` cannot identify a tenant, or ``None`` if it can.

    The ELI quadrant (second hex digit ``a``, company identifiers) is accepted: who holds one may use it.
    """
    if oui == 0:
        return "00:00:00 is the prefix of the null address"
    if oui == 0xFFFFFF:
        return "ff:ff:ff is the prefix of broadcast"
    if oui == 0x01005E:
        return "01:00:5e is the prefix of IPv4 multicast"
    if oui >> 8 == 0x3333:
        return "33:33 is the prefix of IPv6 multicast"
    if oui & GROUP_BIT:
        return "its I/G bit is set, and no sender has a group address"
    if oui >> 16 == 0xFE:
        return "first octet fe: libvirt gives it to the host's side of a VM's interface"
    if oui == 0x525400:
        return "52:54:00 is used by QEMU and libvirt"
    if oui == 0xFA163E:
        return "fa:16:3e is used by OpenStack"
    if oui >> 8 == 0x0242:
        return "02:42 is used by Docker"
    if oui >> 8 == 0x3233:
        return "32:33 with the I/G bit set is 33:33, the prefix of IPv6 multicast"
    if oui in (0x00005E, 0x0080C2):
        return "with the I/G bit set it is a prefix of standard group addresses"
    if not oui & LOCAL_BIT:
        return None if owned else "its U/L bit is 0: it is a globally unique OUI that belongs to someone"
    if oui & _QUADRANT == 0x060000:
        return "second hex digit 6: reserved by IEEE 802c for future use"
    if oui & _QUADRANT == 0x0E0000:
        return "second hex digit e: reserved by IEEE 802c for addresses assigned by standards (SAI)"
    return None
