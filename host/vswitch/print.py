"""For virtual switches without a driver: says what to set."""

from opentep.host.fabric.addresses import format_mac

from .base import VSwitchPlan, Wanted

__all__ = ["PrintDriver"]


class PrintDriver:
    """Changes nothing; the instructions hold for any product."""

    def __init__(self, wanted: Wanted):
        self._wanted = wanted

    def plan(self) -> VSwitchPlan:
        return VSwitchPlan((), instructions=self._text())

    def apply(self) -> VSwitchPlan:
        return self.plan()

    def _text(self) -> str:
        vswitch = self._wanted.vswitch
        lines = [f"vSwitch {vswitch.name}, port {vswitch.port} of {vswitch.tep}:"]
        for item in self._wanted.attachments:
            lines.append(
                f"  VM {item.vm}: interface {item.interface}, MAC {format_mac(item.mac)},"
                f" access port in VLAN {item.vlan}"
            )
        vlans = ", ".join(map(str, self._wanted.vlans)) or "none"
        lines.append(f"  uplink{' ' + vswitch.uplink if vswitch.uplink else ''}: trunk, tagged VLANs {vlans}")
        return "\n".join(lines)
