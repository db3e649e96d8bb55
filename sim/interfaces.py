"""Linux network interfaces for the ports of a virtual board, in any network namespace.

Two kinds of attachment:

- ``tap``: a TAP device, made if it does not exist. The kernel hands over complete frames.
- ``dev``: an existing interface (one end of a veth pair, a network card) through a packet socket. The kernel
  keeps 802.1Q tags beside such frames and leaves checksums of local senders open; the packet loop puts both
  right, so the sending end needs no ``ethtool -K … tx off``. Segmentation offload (TSO, GSO) must be off at
  the sending end: one frame on the wire is one frame here. Frames that break this are dropped and counted.

The interface given to ``dev`` belongs to the board: it is set up and promiscuous, the kernel neither merges
its frames (GRO, LRO) nor answers ARP or IPv6 on it.
"""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Attachment", "InterfaceError", "network_namespace", "open_attachment"]

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFMTU, _SIOCETHTOOL = 0x8913, 0x8914, 0x8922, 0x8946
_IFF_UP, _IFF_NOARP = 0x1, 0x80
_ETHTOOL_SGRO, _ETHTOOL_GFLAGS, _ETHTOOL_SFLAGS = 0x2C, 0x25, 0x26
_ETH_FLAG_LRO = 1 << 15
_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_AUXDATA, _PACKET_VNET_HDR, _PACKET_IGNORE_OUTGOING = 1, 8, 15, 23
_PACKET_MR_PROMISC = 1
_CLONE_NEWNET = 0x40000000
_RECEIVE_BUFFER = 1 << 17
"""Octets the kernel keeps for a busy board: some hundred frames. More would be delay, not throughput."""
_IFNAMSIZ = 16


class InterfaceError(RuntimeError):
    """An interface or network namespace cannot be used; the message says why."""


@dataclass(frozen=True)
class Attachment:
    """What one port of a board is connected to."""

    kind: str
    """``tap``, ``dev`` or ``none``."""
    interface: str = ""
    netns: str | None = None
    """Name (as in ``ip netns``) or path of the network namespace; ``None`` is the present one."""

    def __post_init__(self) -> None:
        if self.kind not in ("tap", "dev", "none"):
            raise ValueError(f"kind must be tap, dev or none, not {self.kind!r}")
        if self.kind != "none" and not 0 < len(self.interface.encode()) < _IFNAMSIZ:
            raise ValueError(f"an interface name has 1 to {_IFNAMSIZ - 1} octets: {self.interface!r}")

    @classmethod
    def parse(cls, text: str) -> "Attachment":
        """From ``tap:NAME``, ``dev:NAME``, either with ``@NETNS``, or ``none``. Raises ``ValueError``."""
        kind, _, rest = text.partition(":")
        interface, _, netns = rest.partition("@")
        return cls(kind, interface, netns or None)

    def __str__(self) -> str:
        if self.kind == "none":
            return "none"
        return f"{self.kind}:{self.interface}" + (f"@{self.netns}" if self.netns else "")


def _setns(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def network_namespace(name: str | None) -> Iterator[None]:
    """Move this thread into a network namespace for the duration of the block."""
    if name is None:
        yield
        return
    path = Path(name) if "/" in name else Path("/run/netns") / name
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InterfaceError(f"network namespace {name}: {error.strerror}") from None
        try:
            _setns(target)
        except OSError as error:
            raise InterfaceError(f"cannot enter network namespace {name}: {error.strerror}") from None
        finally:
            os.close(target)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _ifreq(interface: str, layout: str = "", *values: int) -> bytes:
    return struct.pack(f"16s{layout}", interface.encode(), *values).ljust(40, b"\0")


def _bring_up(control: socket.socket, interface: str, flags: int) -> None:
    present = struct.unpack_from("H", fcntl.ioctl(control, _SIOCGIFFLAGS, _ifreq(interface)), _IFNAMSIZ)[0]
    fcntl.ioctl(control, _SIOCSIFFLAGS, _ifreq(interface, "H", present | _IFF_UP | flags))


def _ethtool(control: socket.socket, interface: str, command: int, value: int) -> int:
    buffer = ctypes.create_string_buffer(struct.pack("II", command, value), 8)
    fcntl.ioctl(control, _SIOCETHTOOL, _ifreq(interface, "P", ctypes.addressof(buffer)))
    return int(struct.unpack("II", buffer.raw)[1])


def _receive_frames_as_sent(control: socket.socket, interface: str) -> None:
    """Keep the kernel from merging received frames. Interfaces that cannot merge refuse, which is fine."""
    try:
        _ethtool(control, interface, _ETHTOOL_SGRO, 0)
        flags = _ethtool(control, interface, _ETHTOOL_GFLAGS, 0)
        _ethtool(control, interface, _ETHTOOL_SFLAGS, flags & ~_ETH_FLAG_LRO)
    except OSError:
        pass


def _open_tap(interface: str, mtu: int) -> int:
    fresh = interface not in (name for _, name in socket.if_nameindex())
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InterfaceError(f"/dev/net/tun: {error.strerror}") from None
    try:
        fcntl.ioctl(fd, _TUNSETIFF, _ifreq(interface, "H", _IFF_TAP | _IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            if fresh:
                fcntl.ioctl(control, _SIOCSIFMTU, _ifreq(interface, "i", mtu))
            _bring_up(control, interface, 0)
    except OSError as error:
        os.close(fd)
        raise InterfaceError(f"TAP device {interface}: {error.strerror}") from None
    return fd


def _open_packet_socket(interface: str) -> int:
    try:
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    except OSError as error:
        raise InterfaceError(f"packet socket for {interface}: {error.strerror}") from None
    try:
        packet.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        packet.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        packet.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        packet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        membership = struct.pack("iHH8s", socket.if_nametoindex(interface), _PACKET_MR_PROMISC, 0, b"")
        packet.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        _receive_frames_as_sent(packet, interface)
        ipv6 = Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6")
        if ipv6.exists():
            ipv6.write_text("1")
        _bring_up(packet, interface, _IFF_NOARP)
        packet.bind((interface, _ETH_P_ALL))
    except OSError as error:
        packet.close()
        raise InterfaceError(f"interface {interface}: {error.strerror or error}") from None
    return packet.detach()


def open_attachment(attachment: Attachment, mtu: int) -> int:
    """File descriptor (non-blocking) of a port's attachment, -1 for ``none``.

    ``mtu`` is given to a TAP device that did not exist before. Raises :class:`InterfaceError`.
    """
    with network_namespace(attachment.netns):
        if attachment.kind == "tap":
            return _open_tap(attachment.interface, mtu)
        if attachment.kind == "dev":
            return _open_packet_socket(attachment.interface)
    return -1
