"""The stored fabric from the command line: objects, documents, the log, and what several operators do to each other."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from opentep.host.cli import main
from opentep.host.controller.objects import objects_of
from opentep.host.fabric.large import large_document
from opentep.host.fabric.source import read_source

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """With the example in it, as a document and in a store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENTEP_AUTHOR", "alice@noc")
    Path("fabric.yaml").write_text(EXAMPLE.read_text())
    done("import")
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def failed(code: int, *arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output and "internal error" not in result.output
    return result.output


def document_of(text: str) -> dict:
    return read_source(text, "").data


def test_a_vm_from_cradle_to_grave(folder):
    out = done(
        "vm", "add", "web", "--tenant", "red", "--vswitch", "ovs1", "--addresses", "10.0.0.9/24, fd10::9"
    )
    assert (
        "mac: 12:00:01:00:00:04 (allocated)" in out and "vlan: 4 (allocated)" in out and "revision 2" in out
    )
    assert json.loads(done("vm", "show", "web", "--json")) == {
        "tenant": "red",
        "vswitch": "ovs1",
        "addresses": ["10.0.0.9/24", "fd10::9"],
        "mac": "12:00:01:00:00:04",
        "vlan": 4,
    }
    assert "vlan: — → 77" in done("vm", "set", "web", "--vlan", "0x4d")
    out = done("vm", "set", "web", "--unset", "vlan")
    assert "vlan: 77 → —" in out and "vlan: 5 (allocated)" in out and "mac" not in out
    assert "allocated" not in done("vm", "set", "web", "--interface", "tap7")
    assert "interface: tap7 → —" in done("vm", "set", "web", "--unset", "interface")
    assert "nothing to change" in done("vm", "set", "web", "--tenant", "red")
    assert list(json.loads(done("vm", "list", "-w", "vswitch=ovs1", "-w", "tenant=red", "--json"))) == [
        "red1",
        "red2",
        "web",
    ]
    done("vm", "remove", "web")
    assert "there is no VM 'web'" in failed(1, "vm", "show", "web")
    assert [entry["action"] for entry in json.loads(done("log", "--json"))][-1] == "vm remove web"


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_json_of_a_change(folder, dry_run):
    out = json.loads(done("vm", "add", "web", "--tenant", "red", "--vswitch", "ovs1", "--json", *dry_run))
    (change,) = out["changes"]
    assert (change["action"], change["kind"], change["name"]) == ("add", "vms", "web")
    assert change["complete"] == {"mac": "12:00:01:00:00:04", "vlan": 4}
    assert out["stored"] == (not dry_run)
    assert run("vm", "show", "web").exit_code == (1 if dry_run else 0)


def test_every_kind(folder):
    done(
        "tenant",
        "add",
        "green",
        "--storm",
        "{rate: 100, burst: 10}",
        "--suppress",
        "--ouis",
        "12:00:07,12:00:08",
    )
    done("tep", "add", "site9", "--foreign", "--address", "fd00:9::1")
    done("vm", "add", "g1", "--tenant", "green", "--tep", "site9", "--mac", "12:00:07:00:00:01")
    done("group", "add", "tv", "--tenant", "green", "--address", "239.0.0.9", "--members", "g1")
    done("rule", "add", "green", "red")
    done("vswitch", "set", "ovs1", "--reserved-vlans", "100, 0x65")
    document = document_of(done("export", "fabric"))
    assert document["tenants"]["green"] == {
        "ouis": ["12:00:07", "12:00:08"],
        "storm": {"rate": 100, "burst": 10},
        "suppress": True,
    }
    assert document["rules"] == [{"from": "green", "to": "red"}]
    assert document["vswitches"]["ovs1"]["reserved_vlans"] == [100, 101]
    assert "green  red" in done("rule", "list")
    assert "green → red" in done("rule", "show", "green", "red")
    for kind in ("tenant", "tep", "vswitch", "vm", "group"):
        assert len(done(kind, "list").splitlines()) > 1
    done("rule", "remove", "green", "red")
    assert "no rule 'green → red'" in failed(1, "rule", "remove", "green", "red")


@pytest.mark.parametrize(
    ("code", "command", "message"),
    [
        (
            1,
            "vm add red1 --tenant red --vswitch ovs1",
            "VM 'red1' exists; remedy: `opentep vm set red1 …` changes it",
        ),
        (
            2,
            "vm add web --tenant read --vswitch ovs1",
            "fabric.db: vms.web.tenant: there is no tenant 'read'",
        ),
        (2, "vm add web --tenant red", "the VM has no place"),
        (2, "vm add web --vswitch ovs1", "vms.web: key 'tenant' is missing"),
        (2, "vm add we/b --tenant red --vswitch ovs1", "'we/b' is not a valid name"),
        (2, "tep add rack3", "teps.rack3: key 'address' is missing"),
        (2, "vm add web --tenant red --vswitch ovs1 --vlan 20", "already belongs to VM 'blue1'"),
        (2, "vm add web --tenant red --vswitch ovs1 --vlan x", "'x' is not a whole number"),
        (2, "tenant add green --storm {rate", "write it as in a document"),
        (2, "tenant add green --oui 52:54:00", "QEMU"),
        (1, "tenant remove red", "in use by"),
        (1, "vswitch remove ovs1", "remove or move these first"),
        (2, "vm set red1", "nothing to change: give an option, or --unset"),
        (1, "vm set rad1 --vlan 9", "there is no VM 'rad1' (did you mean 'red1'?)"),
        (2, "vm list --where colour=red", "a VM has no 'colour'"),
        (2, "vm list --where red", "is not KEY=VALUE"),
        (2, "check typo.yaml", "typo.yaml: cannot read"),
        (2, "plan -f typo.yaml", "typo.yaml: cannot read"),
        (2, "apply -f typo.yaml", "typo.yaml: cannot read"),
        (1, "--store typo.db vm list", "there is no store at typo.db"),
        (1, "--store typo.db status", "there is no store at typo.db"),
        (1, "--store typo.db vm remove red1", "there is no store at typo.db"),
        (1, "--store typo.db vm set red1 --vlan 9", "there is no store at typo.db"),
        (1, "--store typo.db agent", "there is no store at typo.db"),
        (1, "log 99", "there is no revision 99; the newest one is 1"),
        (2, "import nothing.yaml", "does not exist"),
        (2, "agent --metrics x", "'x' is not [HOST:]PORT"),
        (1, "agent --metrics ..x:9469", "cannot listen at port 9469 of ..x: no host can have this name"),
        (2, "vm show \udcff", r"not UTF-8: '\xff'"),
        (2, "find \udcff", r"not UTF-8: '\xff'"),
        (2, "vm set red1 --interface \udcff", r"not UTF-8: '\xff'"),
        (2, "rule add a/b c", '"a/b" is not valid'),
        (2, "vm set red1 --addresses ff02::1", "ff02::1 is not an address of a VM"),
        (2, "vm set red1 --addresses 0.0.0.0/0", "0.0.0.0 is not an address of a VM"),
        (2, "vm set red1 --addresses fe80::1%eth0", "'fe80::1%eth0' has a zone"),
        (2, "vm set red1 --interface eth1", "'eth1' is the uplink of 'ovs1'"),
        (2, "vswitch set ovs1 --uplink red1", "'red1' is the uplink of 'ovs1'"),
        (1, "show id --link nothing", "cannot open nothing"),
        (1, "mdio 0 1 --link nothing", "cannot open nothing"),
        (2, "show macs --link nothing", "which TEP?"),
    ],
)
def test_mistakes_change_nothing(folder, code, command, message):
    before = done("export", "fabric", "--complete")
    assert message in failed(code, *command.split())
    assert done("export", "fabric", "--complete") == before
    assert len(json.loads(done("log", "--json"))) == 1
    assert not Path("typo.db").exists()


def test_a_copy_that_needs_no_store(folder, tmp_path):
    done("vm", "add", "web", "--tenant", "red", "--vswitch", "ovs1")
    macs = {
        name: (vm.get("mac"), vm.get("vlan")) for name, vm in json.loads(done("vm", "list", "--json")).items()
    }
    Path("other").mkdir()
    Path("other/fabric.yaml").write_text(done("export", "fabric", "--complete"))
    done("--store", "other/new.db", "import", "other/fabric.yaml")
    again = json.loads(done("--store", "other/new.db", "vm", "list", "--json"))
    assert {name: (vm.get("mac"), vm.get("vlan")) for name, vm in again.items()} == macs


def test_a_full_disk_leaves_the_document_that_was_there(folder, monkeypatch):
    before = Path("fabric.yaml").read_text()

    def full(path: Path, text: str, **_: object) -> None:
        path.write_bytes(text.encode()[:9])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert "No space left on device" in failed(1, "export", "fabric", "-o", "fabric.yaml")
    assert Path("fabric.yaml").read_text() == before
    assert not list(folder.glob(".fabric.yaml.new"))
    Path("link.yaml").symlink_to("fabric.yaml")
    Path("fabric.yaml").chmod(0o640)
    done("export", "fabric", "-o", "link.yaml")
    assert Path("link.yaml").is_symlink() and Path("fabric.yaml").stat().st_mode & 0o777 == 0o640
    assert Path("fabric.yaml").read_text() == done("export", "fabric") != before
    done("export", "fabric", "-o", "/dev/null")


def test_two_operators_and_one_store(folder, monkeypatch):
    monkeypatch.setenv("OPENTEP_AUTHOR", "bob@noc")
    done("vm", "set", "blue1", "--vlan", "21")
    monkeypatch.setenv("OPENTEP_AUTHOR", "alice@noc")
    document = Path("fabric.yaml")
    document.write_text(document.read_text() + "rules: [{from: red, to: blue}]\n")
    for command in ("import", "plan", "apply", "apply --dry-run"):
        out = failed(1, *command.split())
        assert "vms.blue1: bob@noc" in out and "vm set blue1 --vlan 21" in out and "--force" in out
    # Bob's change is taken over into the document; then nothing stands against it.
    done("export", "fabric", "-o", "fabric.yaml")
    found = document_of(document.read_text())
    found["rules"] = [{"from": "red", "to": "blue"}]
    document.write_text(yaml.safe_dump(found))
    assert done("import").splitlines()[0] == "fabric: 1 object changed"
    # The same document from elsewhere, without knowledge of what it goes by.
    Path("old.yaml").write_text(EXAMPLE.read_text())
    assert "and the document does not say so" in failed(1, "import", "old.yaml")
    assert "fabric: 2 objects changed" in done("import", "old.yaml", "--force")
    assert objects_of(document_of(done("export", "fabric"))) == objects_of(document_of(EXAMPLE.read_text()))


def test_the_store_is_enough(folder):
    Path("fabric.yaml").unlink()
    for vswitch in ("ovs1", "ovs2"):
        done("vswitch", "set", vswitch, "--driver", "print", "--unset", "ovsdb", "--unset", "uplink")
    assert "VM red1: interface red1, MAC 12:00:01:00:00:01, access port in VLAN 2" in done(
        "apply", "--no-teps"
    )
    assert not Path("fabric.yaml").exists()


@pytest.mark.parametrize(
    ("what", "vms"),
    [
        ("12-00-01-00-00-02", ["red2"]),
        ("12:00:01:00:03:01", ["red4"]),
        ("10.0.0.1", ["blue1", "red1"]),
        ("FD10:0::1", ["blue1", "red1"]),
        ("red3", ["red3"]),
    ],
)
def test_finding_a_vm(folder, what, vms):
    assert [item["vm"] for item in json.loads(done("find", what, "--json"))] == vms


def test_where_a_vm_is(folder):
    assert done("find", "red2").splitlines()[1].split() == [
        "red2", "red", "12:00:01:00:00:02", "3", "ovs1", "server", "rack1", "10.0.0.2/24,fd10::2/64"
    ]  # fmt: skip
    assert "no VM has the IP address 10.9.9.9" in failed(1, "find", "10.9.9.9")
    assert "no VM has the name 12:00" in failed(1, "find", "12:00")


def test_names_are_completed_by_the_shell(folder):
    environment = {
        **os.environ,
        "_OPENTEP_COMPLETE": "bash_complete",
        "COMP_WORDS": "opentep vm show re",
        "COMP_CWORD": "3",
    }
    script = "from opentep.host.cli import main; main(prog_name='opentep')"
    out = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    ).stdout
    assert [line.split(",")[1] for line in out.splitlines()] == ["red1", "red2", "red3", "red4"]


def test_a_large_document_is_not_printed_whole(folder):
    Path("large.yaml").write_text(large_document(4, 50, 700))
    out = done("import", "large.yaml", "--force").splitlines()
    assert out[0] == "fabric: 771 objects changed" and out[-1] == "… and 271 more; --json tells all of them"
    assert len(json.loads(done("log", "2", "--json"))) == 771


def test_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert done("vm", "list").split() == ["VM", "TENANT", "VSWITCH", "TEP", "MAC", "VLAN", "ADDRESSES"]
    assert "nothing is stored in" in failed(1, "export", "fabric")
    assert not list(tmp_path.iterdir())
    assert "see that it runs" in failed(1, "--store", "etcd://127.0.0.1:1/x", "vm", "list")
    Path("fabric.db").write_text("this is not a database, but long enough to look at")
    assert "restore it from a copy" in failed(1, "vm", "list")


def test_the_benchmark(tmp_path):
    result = run("bench", "controller", "--teps", 5, "--tenants", 20, "--vms", 100, "--json")
    out = json.loads(result.stdout)
    assert [item["what"] for item in out][:2] == [
        "plan from empty: read, check, allocate, tables of all TEPs",
        "store the document",
    ]
    assert all(0 < item["seconds"] <= item["worst"] for item in out)
    document = tmp_path / "fabric.yaml"
    document.write_text(EXAMPLE.read_text())
    done("--store", tmp_path / "used.db", "import", document)
    assert "is in use" in failed(1, "--store", tmp_path / "used.db", "bench", "controller")


def test_vswitches_of_a_tep_that_failed_stay_as_they_are(folder):
    """It may be in the middle of a change, and take other VLAN IDs than they would get."""
    out = failed(1, "apply")
    assert "opentep: TEP rack1: cannot open /dev/ttyUSB0" in out
    assert "opentep: vSwitch ovs1: not set, as TEP rack1 failed" in out


def test_without_a_document_the_store_is_meant(folder):
    Path("fabric.yaml").unlink()
    assert done("check").startswith("fabric.db is right")
    assert "nothing to change" in done("plan", "--no-teps", "--no-vswitches")
    Path("fabric.db").unlink()
    failed(2, "vm", "add", "a", "--tenant", "red", "--vswitch", "ovs1")
    assert "fabric.yaml: cannot read" in failed(2, "plan"), "what nothing was put into is no fabric"


def test_lists_tell_where_vms_are(folder):
    everywhere = json.loads(done("vm", "list", "--json"))
    here = json.loads(done("vm", "list", "--where", "tep=rack1", "--json"))
    assert here == {name: vm for name, vm in everywhere.items() if vm["tep"] == "rack1"}
    assert here.keys() < everywhere.keys() and "red1" in here
    (row,) = [line.split() for line in done("vm", "list").splitlines() if line.startswith("red1 ")]
    assert "rack1" in row


def test_where_it_is_already(folder):
    assert "VM red1 is at vSwitch ovs1" in done("vm", "migrate", "red1", "--to", "ovs1")


def test_the_document_is_to_follow(folder):
    """Or its next apply would overrule what was stored without it."""
    out = done("vm", "add", "web", "--tenant", "red", "--vswitch", "ovs1")
    assert "`opentep export fabric -o fabric.yaml` and then `opentep apply`" in out
    assert "changed in the store since revision 1" in failed(1, "import")
    done("export", "fabric", "-o", "fabric.yaml")
    done("import")
