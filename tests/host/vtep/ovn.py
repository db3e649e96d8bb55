"""OVN as its operators have it: both databases, ovn-northd, and ovn-controller-vtep at a `hardware_vtep`."""

from pathlib import Path

from ..ovsdb_server import OvsdbServer, find_programs
from .controller import Vtep

__all__ = ["IS_INSTALLED", "Ovn"]

_SCHEMAS = Path("/usr/share/ovn")
_PROGRAMS = ("ovn-northd", "ovn-controller-vtep", "ovn-nbctl", "ovn-sbctl")
IS_INSTALLED = find_programs(*_PROGRAMS) is not None


class Ovn:
    """Its control plane, which drives the switches of ``vtep``; hypervisors are rows of its databases."""

    def __init__(self, folder: Path, vtep: Vtep):
        self._north = OvsdbServer(folder, "ovnnb", _SCHEMAS / "ovn-nb.ovsschema")
        self._south = OvsdbServer(folder, "ovnsb", _SCHEMAS / "ovn-sb.ovsschema")
        self._northd = self._north.begin(
            "ovn-northd", f"--ovnnb-db={self._north.target}", f"--ovnsb-db={self._south.target}"
        )
        self._controller = self._south.begin(
            "ovn-controller-vtep", f"--vtep-db={vtep.target}", f"--ovnsb-db={self._south.target}"
        )

    def nbctl(self, *arguments: str) -> str:
        """Until ovn-northd has done it."""
        return self._north.command("ovn-nbctl", "--wait=sb", *arguments)

    def sbctl(self, *arguments: str) -> str:
        return self._south.command("ovn-sbctl", *arguments)

    def close(self) -> None:
        for process in (self._controller, self._northd):
            process.kill()
            process.wait(10)
        self._south.kill()
        self._north.kill()
