"""A machine of QEMU at a bridge of Open vSwitch, under a libvirt that lives in this process alone.

Each line of standard input is a list of attachments, `[[vm, interface, mac, vlan], …]`, for the driver to apply; it is
answered by a line of JSON.
"""

import json
import sys
import threading
from pathlib import Path

import libvirt
from opentep.host.fabric import VSwitch
from opentep.host.vswitch import Attachment, Wanted, driver_for

MACHINE = """\
<domain type='qemu'>
  <name>web1</name><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <interface type='bridge'>
      <mac address='12:00:01:00:00:01'/><source bridge='br0'/><virtualport type='openvswitch'/>
      <target dev='tapweb1'/><model type='virtio'/><rom enabled='no'/>
    </interface>
  </devices>
</domain>
"""
CONFIGURATION = """\
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""


def run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def main(root: Path) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "qemu.conf").write_text(CONFIGURATION)
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=run_events, daemon=True).start()
    uri = f"qemu:///embed?root={root}"
    connection = libvirt.open(uri)
    machine = connection.defineXML(MACHINE)
    machine.create()
    print("running", flush=True)
    vswitch = VSwitch("kvm1", "rack1", "server", driver="libvirt", libvirt=uri)
    for line in sys.stdin:
        attachments = tuple(Attachment(*item) for item in json.loads(line))
        plan = driver_for(Wanted(vswitch, attachments)).apply()
        answer = {
            "changes": [change.as_dict() for change in plan.changes],
            "instructions": plan.instructions,
            "running": machine.XMLDesc(),
            "defined": machine.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE),
        }
        print(json.dumps(answer), flush=True)
    machine.destroy()
    machine.undefine()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
