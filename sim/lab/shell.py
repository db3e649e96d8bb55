"""Running the system's tools."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["LabError", "check_machine", "run"]

_PACKAGES = {
    "ip": "iproute2",
    "ethtool": "ethtool",
    "iperf3": "iperf3",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-switch",
    "ping": "iputils-ping",
    "sysctl": "procps",
    "tcpdump": "tcpdump",
    "tshark": "tshark",
}


class LabError(RuntimeError):
    """The lab cannot go on; the message says why and what to do."""


def check_machine() -> None:
    """Raise :class:`LabError` naming all that this machine lacks for the lab."""
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and needs root: run it with sudo")
    missing = sorted({package for tool, package in _PACKAGES.items() if shutil.which(tool) is None})
    if missing:
        raise LabError(f"tools are missing; remedy: apt-get install {' '.join(missing)}")
    if not Path("/proc/sys/net/ipv6/conf/all/seg6_enabled").exists():
        raise LabError("this kernel has no SRv6 (CONFIG_IPV6_SEG6_LWTUNNEL), which the third site needs")


def run(
    command: Sequence[str],
    *,
    check: bool = True,
    timeout: float = 60,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with its output captured; :class:`LabError` with its words if it fails."""
    try:
        result = subprocess.run(
            list(command),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command)}` did not end within {timeout:.0f} s") from None
    if check and result.returncode:
        words = (result.stderr or result.stdout).strip() or f"exit code {result.returncode}"
        raise LabError(f"`{' '.join(command)}` failed: {words}")
    return result
