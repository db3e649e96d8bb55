"""The web page in a headless browser, against a real server."""

import html
import re
import shutil
import subprocess
import urllib.request
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opentep.host.agent import Counted, Report
from opentep.host.controller import Repository
from opentep.host.controller.objects import Key
from opentep.host.store import open_store

from .test_api import Service, service

__all__ = ["service"]

BROWSER = shutil.which("chromium-headless-shell")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Debian's chromium-headless-shell")

PORT = {
    "rx_frames": 100,
    "rx_octets": 6000,
    "tx_frames": 50,
    "tx_octets": 3000,
    "queue_full": 0,
    "rx_overflow": 0,
    "tx_underrun": 0,
}
COUNTERS = {
    "ports": {"server": {**PORT, "drops": {"spoofed": 40, "policy": 0}}},
    "teps": {},
    "tenants": {},
    "mac": {},
    "suppression": {},
}


def page(service: Service, fragment: str, tmp_path: Path) -> str:
    """What stands in the page two (virtual) seconds after it was loaded."""
    done = subprocess.run(
        [str(BROWSER), "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
        + ["--virtual-time-budget=2000", "--dump-dom", f"{service.url}/#{fragment}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def text(dom: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", dom))


def is_hidden(dom: str, name: str) -> bool:
    found = re.search(rf'<[a-z]+ id="{name}"[^>]*>', dom)
    assert found is not None, dom
    return "hidden" in found[0]


def test_racks_vms_counters_and_changes(service: Service, tmp_path: Path) -> None:
    with closing(open_store(service.location)) as store:
        Report("rack1", 1, "", "2026-11-27T10:00:00+00:00").store(store)
        Report("rack2", 0, "the cable is cut", "2026-11-27T10:00:00+00:00").store(store)
        now = datetime.now(UTC)
        begun = Counted.since(None, "rack1", (now - timedelta(seconds=10)).isoformat(), COUNTERS)
        more = {**PORT, "rx_frames": 2100, "rx_overflow": 30, "drops": {"spoofed": 60, "policy": 0}}
        after = {**COUNTERS, "ports": {"server": more}}
        Counted.since(begun, "rack1", now.isoformat(), after).store(store)
    dom = page(service, f"token={service.tokens['read']}", tmp_path)
    assert not is_hidden(dom, "fabric") and is_hidden(dom, "login")
    seen = text(dom)
    for wanted in ("well since 2026-11-27 10:00:00 UTC", "the cable is cut", "not ours", "200 fps", "import"):
        assert wanted in seen
    assert re.search(r"spoofed\s+rack1 server\s+60\s+2 fps", seen), "by reason, in all and per second"
    assert re.search(r"rx_overflow\s+rack1 server\s+30\s+3 fps", seen)
    assert "policy" not in seen
    assert 'title="red1 of red, VLAN 2"' in dom and 'title="red4 of red"' in dom
    assert re.search(r"red\s*4.*blue\s*2", seen), "tenants with their VMs"


def test_a_search(service: Service, tmp_path: Path) -> None:
    dom = page(service, f"token={service.tokens['read']}&find=12:00:01:00:00:03", tmp_path)
    found = text(dom[dom.index('id="found"') : dom.index('aria-label="Racks"')])
    assert re.search(r"VM\s+red3\s.*VLAN ID\s+2\s.*vSwitch\s+ovs2\s.*TEP\s+rack2, port server", found)
    assert re.search(r'class="vm here" title="red3 ', dom)
    assert 'class="tep here" id="tep-rack2"' in dom
    assert "No VM is, or has, nobody." in text(
        page(service, f"token={service.tokens['read']}&find=nobody", tmp_path)
    )


@pytest.mark.parametrize("fragment", ["", "token=otp_wrong"])
def test_without_a_token_nothing_is_shown(service: Service, tmp_path: Path, fragment: str) -> None:
    dom = page(service, fragment, tmp_path)
    assert is_hidden(dom, "fabric") and not is_hidden(dom, "login")
    assert "red1" not in dom
    assert ("give a valid token" in dom) == bool(fragment)


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css"])
def test_files_are_what_they_are(service: Service, path: str) -> None:
    def get(query: str) -> tuple[bytes, str]:
        with urllib.request.urlopen(service.url + path + query, timeout=10) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            return answer.read(), answer.headers["Content-Type"]

    assert get("") == get("?content=alert(1)&media=text/html&name=x")


def test_text_is_no_markup(service: Service, tmp_path: Path) -> None:
    evil = "<img src=x onerror=document.title='evil'>"
    with closing(open_store(service.location)) as store:
        repository = Repository(store, evil)
        repository.edit(evil, lambda get: {Key("vms", "red1"): {**get(Key("vms", "red1")), "vlan": 9}})
        Report("rack1", 0, evil, "2026-11-27T10:00:00+00:00").store(store)
    dom = page(service, f"token={service.tokens['read']}", tmp_path)
    assert "<title>opentep</title>" in dom and "<img" not in dom
    assert text(dom).count("onerror") == 3
