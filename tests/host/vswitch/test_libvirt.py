"""The libvirt driver: definitions with libvirt's own test driver, running machines with QEMU and Open vSwitch."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentep.host.fabric import VSwitch
from opentep.host.vswitch import Attachment, VSwitchError, VSwitchPlan, Wanted, driver_for
from opentep.host.vswitch.ovs import NOWHERE

from .test_ovs import Ovs

libvirt = pytest.importorskip("libvirt", reason="needs the Python package libvirt-python")

MACHINE = Path(__file__).parent / "qemu_machine.py"
VSWITCH = VSwitch("kvm1", "rack1", "server", driver="libvirt", libvirt="test:///default")
WEB = Attachment("web", "test", 0x120001000007, 42)
MACHINES = """\
<node>
  <domain type='test'><name>test</name><memory>1024</memory><os><type>hvm</type></os>
    <metadata><app:about xmlns:app='https://app.example/'>kept</app:about></metadata>
    <devices>
      <interface type='network'><mac address='aa:bb:cc:dd:ee:00'/><source network='default'/></interface>
      <interface type='network'><mac address='aa:bb:cc:dd:ee:01'/><source network='default'/>
        <vlan trunk='yes'><tag id='5'/><tag id='6'/></vlan></interface>
      <graphics type='vnc' passwd='secret'/>
    </devices></domain>
  <domain type='test'><name>other</name><memory>1024</memory><os><type>hvm</type></os>
    <devices><interface type='network'><mac address='aa:bb:cc:dd:ee:09'/><source network='default'/></interface>
    </devices></domain>
</node>
"""

Interfaces = list[tuple[str, list[int]]]
"""MAC address and VLAN IDs."""


def interfaces(xml: str) -> Interfaces:
    return [
        (
            re.findall(r"mac address='(.*?)'", each)[0],
            [int(vid) for vid in re.findall(r"tag id='(\d+)'", each)],
        )
        for each in re.findall(r"<interface .*?</interface>", xml, re.DOTALL)
    ]


class Machines:
    """Those of libvirt's test driver, which are there for one connection only."""

    def __init__(self, uri: str):
        self._connection = libvirt.open(uri)
        for domain in self._connection.listAllDomains():
            domain.destroy()  # the test driver can change no running ones

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def close(self) -> None:
        """What the driver does when it is ready; it comes back."""

    def xml(self, name: str) -> str:
        return self.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    (tmp_path / "node.xml").write_text(MACHINES)
    machines = Machines(f"test://{tmp_path}/node.xml")
    monkeypatch.setattr(libvirt, "open", lambda uri: machines)
    return machines


def apply(*attachments: Attachment) -> VSwitchPlan:
    return driver_for(Wanted(VSWITCH, attachments)).apply()


def test_a_definition(machines: Machines) -> None:
    plan = driver_for(Wanted(VSWITCH, (WEB,))).plan()
    (change,) = plan.changes
    assert change.name == "kvm1 test/0 as defined"
    assert change.before == "MAC aa:bb:cc:dd:ee:00, no VLAN ID"
    assert change.after == "MAC 12:00:01:00:00:07, VLAN 42 for VM web"
    assert interfaces(machines.xml("test"))[0] == ("aa:bb:cc:dd:ee:00", []), "a plan changes nothing"
    assert apply(WEB) == plan
    assert interfaces(machines.xml("test")) == [("12:00:01:00:00:07", [42]), ("aa:bb:cc:dd:ee:01", [5, 6])]
    assert "kept</app:about>" in machines.xml("test") and "passwd='secret'" in machines.xml("test")
    assert interfaces(machines.xml("other")) == [("aa:bb:cc:dd:ee:09", [])], "nobody's business"
    assert apply(WEB).changes == (), "again changes nothing"


def test_a_second_interface_and_what_is_not_there(machines: Machines) -> None:
    db = Attachment("db", "test/1", 0x120001000008, 43)
    plan = apply(WEB, db, replace(db, interface="test/2"), replace(db, interface="nobody"))
    assert plan.missing == ("nobody", "test/2")
    assert interfaces(machines.xml("test")) == [("12:00:01:00:00:07", [42]), ("12:00:01:00:00:08", [43])]


def test_a_vm_that_left_reaches_nobody(machines: Machines) -> None:
    apply(WEB)
    (change,) = apply().changes
    assert change.after == "VLAN of nobody: VM web left"
    assert interfaces(machines.xml("test"))[0] == ("12:00:01:00:00:07", [NOWHERE])
    assert apply().changes == (), "and is forgotten"


def test_a_libvirt_that_is_not_there(tmp_path: Path) -> None:
    vswitch = replace(VSWITCH, libvirt=f"test://{tmp_path}/nothing.xml")
    with pytest.raises(VSwitchError, match="libvirt at test://"):
        driver_for(Wanted(vswitch, (WEB,))).apply()


def test_a_libvirt_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr("opentep.host.vswitch.libvirt._PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(libvirt, "open", lambda uri: answers.wait(30))
    for message in ("within 0.1 s", "still does not answer"):
        with pytest.raises(VSwitchError, match=message):
            apply(WEB)
    answers.set()


@pytest.mark.lab
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("qemu-system-x86_64") is None,
    reason="needs root, and QEMU and libvirt of the distribution",
)
def test_a_running_machine(tmp_path: Path) -> None:
    """Its VLAN ID changes while it runs, in Open vSwitch too; its MAC address when it starts anew."""
    ovs = Ovs(tmp_path)
    root = Path(tempfile.mkdtemp(prefix="opentep-", dir="/tmp"))  # short: there will be sockets in it
    try:
        with subprocess.Popen(
            # In a network namespace of its own: libvirt makes a TAP device, and looks for the MTU of the bridge.
            ["unshare", "--net", "sh", "-c", 'ip tuntap add br0 mode tap && exec "$@"', "sh"]
            + [sys.executable, str(MACHINE), str(root / "libvirt")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OVS_RUNDIR": str(tmp_path)},
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == "running\n"

            def done(*attachments: tuple[str, str, int, int]) -> dict[str, Any]:
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(json.dumps(attachments) + "\n")
                process.stdin.flush()
                return json.loads(process.stdout.readline())

            found = done(("web", "web1", 0x120001000001, 42))
            assert [change["name"] for change in found["changes"]] == [
                "kvm1 web1/0 as defined",
                "kvm1 web1/0 as it runs",
            ]
            assert (
                interfaces(found["running"]) == interfaces(found["defined"]) == [("12:00:01:00:00:01", [42])]
            )
            assert ovs.get("Port", "tapweb1", "tag") == 42
            found = done(("web", "web1", 0x120001000001, 43))
            assert ovs.get("Port", "tapweb1", "tag") == 43
            assert done(("web", "web1", 0x120001000001, 43))["changes"] == []
            found = done(("web", "web1", 0x120001000002, 43))
            assert "start it anew to give it 12:00:01:00:00:02" in found["instructions"]
            assert interfaces(found["running"]) == [("12:00:01:00:00:01", [43])]
            assert interfaces(found["defined"]) == [("12:00:01:00:00:02", [43])]
            done()
            assert ovs.get("Port", "tapweb1", "tag") == NOWHERE
            process.stdin.close()
            assert process.wait(timeout=30) == 0
    finally:
        ovs.close()
        shutil.rmtree(root)
