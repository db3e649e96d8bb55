"""Network namespaces as hosts."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .shell import run

__all__ = ["Namespace", "link"]


@dataclass(frozen=True)
class Namespace:
    """A host of the lab. ``name`` is what `ip netns` calls it."""

    name: str

    def create(self) -> None:
        run(["ip", "netns", "add", self.name])
        self.ip("link set lo up")
        # No router advertisements or duplicate address detection: addresses work at once, captures stay clean.
        self.sysctl("net.ipv6.conf.default.accept_ra=0", "net.ipv6.conf.default.accept_dad=0")

    def delete(self) -> None:
        """With all processes inside. Does what is left to do."""
        for pid in run(["ip", "netns", "pids", self.name], check=False).stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run(["ip", "netns", "delete", self.name], check=False)

    def wrap(self, command: Sequence[str]) -> list[str]:
        """``command`` as it is run inside."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return run(self.wrap(command), **options)

    def ip(self, arguments: str) -> None:
        """`ip` with ``arguments``, inside."""
        run(["ip", "-n", self.name, *arguments.split()])

    def sysctl(self, *settings: str) -> None:
        self.run("sysctl", "-q", "-w", *settings)

    def bring_up(self, interface: str, *, mac: str | None = None, mtu: int | None = None) -> None:
        """Set an interface up, without offloads that would leave checksums or segments unfinished."""
        if mac is not None:
            self.ip(f"link set {interface} address {mac}")
        if mtu is not None:
            self.ip(f"link set {interface} mtu {mtu}")
        self.run(
            "ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off", check=False
        )
        self.ip(f"link set {interface} up")


def link(one: Namespace, one_end: str, other: Namespace, other_end: str) -> None:
    """A cable between two hosts, both ends still down."""
    run(
        ["ip", "link", "add", one_end, "netns", one.name, "type", "veth"]
        + ["peer", "name", other_end, "netns", other.name]
    )
