"""OVN drives the fabric by ovn-controller-vtep, over `hardware_vtep`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..agent_bench import until
from .controller import Vtep
from .ovn import IS_INSTALLED, Ovn
from .vtep_bench import BY_VLAN, DOCUMENT, Bench

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="OVN is not installed")

WEB = "12:00:09:00:00:01"


@pytest.fixture
def ovn(tmp_path: Path, vtep: Vtep) -> Iterator[Ovn]:
    """Two hypervisors, and a logical switch ``ls`` with ``web`` at the first one and the VTEP's ``green`` at rack1."""
    ovn = Ovn(tmp_path, vtep)
    try:
        for number in (1, 2):
            ovn.sbctl("chassis-add", f"hv{number}", "vxlan", f"fd00:77::{number}")
        ovn.nbctl("ls-add", "ls", "--", "lsp-add", "ls", "web", "--", "lsp-set-addresses", "web", WEB)
        ovn.sbctl("lsp-bind", "web", "hv1")
        options = ("vtep-physical-switch=rack1", "vtep-logical-switch=green")
        ovn.nbctl(
            *("lsp-add", "ls", "gateway", "--", "lsp-set-type", "gateway", "vtep"),
            *("--", "lsp-set-options", "gateway", *options, "--", "lsp-set-addresses", "gateway", "unknown"),
        )
        yield ovn
    finally:
        ovn.close()


def remotes(vtep: Vtep) -> dict[str, str]:
    """The hypervisors at which OVN says that MAC addresses are."""
    lines = (line.split(" -> vxlan_over_ipv4/") for line in vtep.ctl("list-remote-macs", "green"))
    return {line[0]: line[1] for line in lines if len(line) > 1}


def follow(bench: Bench, expected: dict[str, str]) -> None:
    """Once OVN has told what it should."""
    until(lambda: remotes(bench.vtep) == expected)
    bench.go()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(
            DOCUMENT.replace("tenants: {", "tenants: {green: {oui: 12:00:09, network: 1}, "), id="oui"
        ),
        pytest.param(BY_VLAN, id="vlan"),
    ],
)
def test_a_logical_switch_reaches_into_the_fabric(
    make: Callable[[str], Bench], ovn: Ovn, vtep: Vtep, document: str
) -> None:
    bench = make(document)
    bench.go()
    vtep.ctl("add-ls", "green", "--", "bind-ls", "rack1", "srv", "5", "green")
    follow(bench, {WEB: "fd00:77::1", "unknown-dst": "fd00:77::1"})
    chassis = ovn.sbctl("--bare", "--columns=name", "find", "Chassis", "other_config:is-vtep=true").split()
    assert sorted(chassis) == ["rack1", "rack2"], "our TEPs are OVN's"
    tenant = "green" if document is not BY_VLAN else "vtep.green"
    assert bench.complete("tenants", tenant)["network"] == 1, "the key of OVN's logical switch"
    web = {"tenant": tenant, "tep": "vtep.fd00-77--1", "mac": WEB}
    assert bench.own("vms")["vtep.green.120009000001"] == web
    assert bench.own("vms")["vtep.rack1.srv.5"]["tenant"] == tenant

    # It moves to the other hypervisor, as a live migration ends.
    ovn.sbctl("lsp-unbind", "web", "--", "lsp-bind", "web", "hv2")
    follow(bench, {WEB: "fd00:77::2", "unknown-dst": "fd00:77::2"})
    assert bench.own("vms")["vtep.green.120009000001"]["tep"] == "vtep.fd00-77--2"
    assert set(bench.own("teps")) == {"vtep.fd00-77--2"}

    ovn.nbctl("lsp-del", "gateway")
    follow(bench, {})
    assert set(bench.own("vms")) == {"vtep.rack1.srv.5"} and not bench.own("teps")
