"""The lab under test, and the means that its checks share."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import DEVNULL, PIPE, Popen

from opentep.host.fabric.addresses import format_mac
from opentep.host.fabric.model import Fabric

from .namespace import Namespace
from .shell import LabError
from .state import Lab
from .topology import opentep

__all__ = ["PING", "Demo", "Failed"]

PING = re.compile(r"(\d+) packets transmitted, (\d+) received")
_TIME = re.compile(r"time=([\d.]+) ms")


class Failed(Exception):
    """A check did not see what it had to see."""


class Demo:
    """The lab under test, with the means that the checks share."""

    def __init__(self, lab: Lab, fabric: Fabric):
        self.lab = lab
        self.fabric = fabric

    def host(self, name: str) -> Namespace:
        return self.lab.host(name)

    def mac(self, vm: str) -> str:
        mac = self.fabric.vms[vm].mac
        assert mac is not None
        return format_mac(mac)

    def address(self, vm: str, version: int = 4) -> str:
        return next(
            address.partition("/")[0]
            for address in self.fabric.vms[vm].addresses
            if (":" in address) == (version == 6)
        )

    def ping(self, vm: str, address: str, *, count: int = 5, interval: float = 0.2) -> tuple[int, float]:
        """Replies to ``count`` pings, and the median round trip in milliseconds (0.0 without reply)."""
        result = self.host(vm).run(
            "ping", "-n", "-c", str(count), "-i", str(interval), "-W", "1", address, check=False
        )
        match = PING.search(result.stdout)
        if match is None:
            raise LabError(f"ping on {vm} said: {result.stdout}{result.stderr}")
        times = sorted(map(float, _TIME.findall(result.stdout)))
        return int(match[2]), times[len(times) // 2] if times else 0.0

    def await_reply(self, vm: str, address: str, seconds: float = 20) -> None:
        """Ping until it is answered."""
        deadline = time.monotonic() + seconds
        while not self.ping(vm, address, count=1)[0]:
            if time.monotonic() > deadline:
                raise Failed(f"{vm} → {address}: no reply within {seconds:g} s")

    def expect_ping(self, vm: str, address: str, *, count: int = 5) -> str:
        replies, median = self.ping(vm, address, count=count)
        if replies < count:
            raise Failed(f"{vm} → {address}: {replies} of {count} replies")
        return f"{vm} → {address}: {replies}/{count}, median {median:.1f} ms"

    def expect_silence(self, vm: str, address: str, *, count: int = 3) -> str:
        replies, _ = self.ping(vm, address, count=count)
        if replies:
            raise Failed(f"{vm} → {address}: {replies} of {count} replies, expected none")
        return f"{vm} → {address}: 0/{count}"

    def neighbour(self, vm: str, address: str) -> str:
        """MAC address that ``vm`` has resolved ``address`` to."""
        text = self.host(vm).run("ip", "-j", "neigh", "show", address).stdout
        entries = json.loads(text or "[]")
        return entries[0].get("lladdr", "") if entries else ""

    def counters(self, tep: str) -> dict:
        return json.loads(
            opentep("show", "counters", "--fabric", str(self.lab.document), "--tep", tep, "--json")
        )

    def drops(self, tep: str, reason: str) -> int:
        """Frames that ``tep`` dropped for ``reason``, all ports."""
        ports = self.counters(tep)["ports"]
        return sum(port["drops"].get(reason, 0) for port in ports.values())

    @contextmanager
    def sniff(self, vm: str, expression: str) -> Iterator[Callable[[], int]]:
        """Count frames that reach ``vm`` and match a capture filter; the yielded function ends the capture."""
        command = ["tcpdump", "-nn", "-l", "-Q", "in", "-i", "eth0", expression]
        sniffer = Popen(self.host(vm).wrap(command), stdout=PIPE, stderr=PIPE, stdin=DEVNULL, text=True)
        try:
            assert sniffer.stderr is not None
            while "listening on" not in sniffer.stderr.readline():
                if sniffer.poll() is not None:
                    raise LabError(f"tcpdump on {vm} ended with {sniffer.returncode}")

            def count() -> int:
                sniffer.terminate()
                # tcpdump ends its output with an empty line.
                return sum(bool(line) for line in sniffer.communicate()[0].splitlines())

            yield count
        finally:
            sniffer.kill()
            sniffer.communicate()
