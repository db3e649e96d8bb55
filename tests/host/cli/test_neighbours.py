"""Next hops by neighbour discovery: a Linux kernel is the router behind the uplink of a live virtual board."""

import json
import signal
import subprocess
import time

import pytest

OWN, ROUTER = "fd00:1::1", "fd00:1::fe"
FIRST, SECOND = "02:00:5e:ff:01:01", "02:00:5e:ff:01:02"


@pytest.fixture
def tep(live_tep):
    """The document names the router by its address; the kernel has that address, and MAC ``FIRST``."""
    before = live_tep.document.read_text()
    live_tep.document.write_text(before.replace("next_hop: 02:00:5e:ff:01:fe", f'router: "{ROUTER}"'))
    host = live_tep.host
    host.sysctl("net.ipv6.conf.uplink.accept_dad=0", "net.ipv6.conf.uplink.disable_ipv6=0")
    host.ip(f"link set uplink address {FIRST}")
    host.ip(f"address add {ROUTER}/64 dev uplink")
    yield live_tep
    host.sysctl("net.ipv6.conf.uplink.disable_ipv6=1")
    live_tep.document.write_text(before)
    live_tep.run("apply", "--no-vswitches")


def shown(tep) -> list[dict]:
    return json.loads(tep.run("neighbours", "--json").stdout)


def next_hops(tep) -> set[str]:
    teps = json.loads(tep.run("show", "teps", "--json").stdout)
    return {way["next_hop"] for item in teps for way in item["ways"]}


def test_apply_finds_the_router(tep) -> None:
    applied = tep.run("apply", "--no-vswitches").stdout.decode()
    assert f"via {FIRST}" in applied
    assert next_hops(tep) == {FIRST}
    assert tep.run("plan", "--no-vswitches").returncode == 0, "nothing is left to change"
    (neighbour,) = shown(tep)
    assert neighbour == {
        "port": "uplink",
        "address": ROUTER,
        "mac": FIRST,
        "state": "reachable",
        "answers": True,
    }


def test_outer_headers_follow_a_router_that_moved(tep) -> None:
    tep.run("apply", "--no-vswitches")
    tep.host.ip(f"link set uplink address {SECOND}")
    assert [neighbour["mac"] for neighbour in shown(tep)] == [SECOND]
    assert next_hops(tep) == {SECOND}


def test_what_is_not_applied_is_not_written(tep) -> None:
    """Of a remote TEP that the document has otherwise than the TEP, the outer header stays as it is."""
    tep.run("apply", "--no-vswitches")
    rack2, site3 = (item for item in json.loads(tep.run("show", "teps", "--json").stdout))
    text = tep.document.read_text()
    changed = text.replace("fd00:2::1", "fd00:2::9")
    assert changed != text
    tep.document.write_text(changed)
    tep.host.ip(f"link set uplink address {SECOND}")
    assert [neighbour["mac"] for neighbour in shown(tep)] == [SECOND]
    tep.document.write_text(text)
    now = json.loads(tep.run("show", "teps", "--json").stdout)
    assert now == [rack2, {**site3, "ways": [{**site3["ways"][0], "next_hop": SECOND}]}]


def test_following_tells_what_changes(tep) -> None:
    tep.run("apply", "--no-vswitches")
    with subprocess.Popen(
        tep.command("neighbours", "--follow", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        states = [json.loads(process.stdout.readline())]
        while states[-1]["state"] != "reachable":
            states.append(json.loads(process.stdout.readline()))
        assert {state["mac"] for state in states} == {FIRST}
        # The kernel tells of its new MAC by itself.
        tep.host.sysctl("net.ipv6.conf.uplink.ndisc_notify=1")
        tep.host.ip(f"link set uplink address {SECOND}")
        while states[-1]["mac"] != SECOND:
            states.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert next_hops(tep) == {SECOND}


def test_a_router_that_is_silent(tep) -> None:
    tep.run("apply", "--no-vswitches")
    tep.host.ip(f"address del {ROUTER}/64 dev uplink")
    begin = time.monotonic()
    result = subprocess.run(
        tep.command("neighbours"), capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 1
    assert "does not answer" in result.stdout and FIRST in result.stdout
    assert time.monotonic() - begin > 6, "three probes, then three questions to everybody"
    assert next_hops(tep) == {FIRST}, "the last one known stays"


def test_without_a_router_there_is_nothing_to_find(live_tep) -> None:
    result = subprocess.run(
        live_tep.command("neighbours"), capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 2 and "no port of this TEP has a 'router'" in result.stderr
