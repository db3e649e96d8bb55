"""The REST interface as a client meets it: a real server, a real store."""

import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentep.host.agent import Report
from opentep.host.api import Tokens, create_app
from opentep.host.api.app import MAX_OCTETS
from opentep.host.controller import Repository
from opentep.host.fabric.source import read_file
from opentep.host.store import SqliteStore, open_store

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two-racks.yaml"


class Service:
    def __init__(self, location: str, port: int):
        self.location = location
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        with closing(open_store(location)) as store:
            Repository(store, "setup").replace("import", read_file(EXAMPLE))
            self.tokens = {role: Tokens(store).add(role, role) for role in ("read", "admin")}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "admin",
        raw: bytes | None = None,
        content: str = "application/json",
    ) -> tuple[int, Any]:
        """Status and JSON."""
        data = raw
        if raw is None and method == "PUT":
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        request.add_header("Content-Type", content)
        if token is not None:
            request.add_header("Authorization", f"Bearer {self.tokens.get(token, token)}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


@pytest.fixture
def service(tmp_path) -> Iterator[Service]:
    location = str(tmp_path / "fabric.db")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        service = Service(location, listener.getsockname()[1])
        config = uvicorn.Config(create_app(location, "test"), log_level="warning", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield service
        server.should_exit = True
        thread.join()


def test_a_migration(service: Service) -> None:
    path = "/v1/vms/red2/migrate?to=ovs2&step="
    assert service.ask("PUT", "/v1/vms/other", {"tenant": "blue", "vswitch": "ovs2"})[0] == 200
    assert service.ask("GET", "/v1/vms/other")[1]["allocated"]["vlan"] == 3
    assert service.ask("GET", "/v1/vms/red2")[1]["allocated"]["vlan"] == 3
    status, answer = service.ask("POST", path + "move")
    assert (status, answer["error"]) == (409, "a VM at 'ovs2' has its VLAN ID: prepare first")
    status, answer = service.ask("POST", path + "prepare")
    assert status == 200 and [change["name"] for change in answer["changes"]] == ["other"]
    status, answer = service.ask("POST", path + "move")
    assert status == 409 and "no agent has spoken of TEP 'rack2'" in answer["error"]
    with closing(open_store(service.location)) as store:
        Report("rack2", Repository(store).revision, "", "2026-11-27T10:00:00+00:00").store(store)
    status, answer = service.ask("POST", path + "move")
    assert status == 200 and service.ask("GET", "/v1/vms/red2")[1]["allocated"]["vlan"] == 3
    assert service.ask("GET", "/v1/vms/other")[1]["allocated"]["vlan"] != 3
    assert service.ask("POST", path + "move", token="read")[0] == 403
    assert service.ask("POST", "/v1/vms/nobody/migrate?to=ovs2&step=move")[0] == 422


def test_objects_come_and_go(service: Service) -> None:
    spec = {"tenant": "red", "vswitch": "ovs1"}
    status, answer = service.ask("PUT", "/v1/vms/web", spec)
    assert (status, answer["revision"], answer["stored"]) == (200, 2, True)
    assert answer["changes"] == [
        {"action": "add", "kind": "vms", "name": "web", "before": None, "after": spec}
    ]
    given = {"mac": "12:00:01:00:00:04", "vlan": 4}
    assert service.ask("GET", "/v1/vms/web") == (200, {"revision": 2, "spec": spec, "allocated": given})
    status, vms = service.ask("GET", "/v1/vms")
    assert set(vms) == {"red1", "red2", "red3", "red4", "blue1", "blue2", "web"}
    assert service.ask("PUT", "/v1/rules/red/blue", {"from": "red", "to": "blue"})[0] == 200
    assert service.ask("GET", "/v1/rules/red/blue")[1]["spec"] == {"from": "red", "to": "blue"}
    assert service.ask("DELETE", "/v1/vms/web")[0] == 200
    assert service.ask("GET", "/v1/vms/web") == (404, {"error": "there is no VM 'web'"})
    assert service.ask("DELETE", "/v1/vms/web")[0] == 404
    status, log = service.ask("GET", "/v1/log")
    assert [(entry["author"], entry["action"]) for entry in log][1:] == [
        ("admin", "PUT /v1/vms/web"),
        ("admin", "PUT /v1/rules/red/blue"),
        ("admin", "DELETE /v1/vms/web"),
    ]
    assert service.ask("GET", "/v1/log/4")[1][0]["action"] == "remove"
    assert service.ask("GET", "/v1/log/99")[0] == 404


def test_the_document(service: Service) -> None:
    _, found = service.ask("GET", "/v1/fabric")
    document = found["document"]
    assert found["revision"] == 1 and "mac" not in document["vms"]["red1"]
    assert (
        service.ask("GET", "/v1/fabric?complete=true")[1]["document"]["vms"]["red1"]["mac"]
        == "12:00:01:00:00:01"
    )
    service.ask("PUT", "/v1/vms/red2", {"tenant": "red", "vswitch": "ovs1", "vlan": 99})
    del document["vms"]["red3"]
    document["groups"] = {}
    status, answer = service.ask("PUT", "/v1/fabric?base=1", document)
    assert status == 409
    assert [(conflict["kind"], conflict["name"]) for conflict in answer["conflicts"]] == [("vms", "red2")]
    status, answer = service.ask("PUT", "/v1/fabric?dry_run=true", document)
    assert (status, answer["stored"], len(answer["changes"])) == (200, False, 3)
    assert service.ask("GET", "/v1/vms/red3")[0] == 200
    assert service.ask("PUT", "/v1/fabric", document)[0] == 200
    assert service.ask("GET", "/v1/vms/red3")[0] == 404


@pytest.mark.parametrize(
    ("token", "method", "status"),
    [
        (None, "GET", 401),
        ("otp_forged", "GET", 401),
        ("", "GET", 401),
        ("read", "GET", 200),
        ("read", "PUT", 403),
        ("read", "DELETE", 403),
        (None, "PUT", 401),
        ("admin", "PUT", 200),
    ],
)
def test_who_may_what(service: Service, token: str | None, method: str, status: int) -> None:
    before = service.ask("GET", "/v1/fabric")
    body = {"tenant": "red", "vswitch": "ovs1", "vlan": 50} if method == "PUT" else None
    assert service.ask(method, "/v1/vms/red1", body, token=token)[0] == status
    assert (service.ask("GET", "/v1/fabric") == before) == (status != 200 or method == "GET")


@pytest.mark.parametrize("name", ["", " "])
def test_a_token_has_a_name(name: str) -> None:
    tokens = Tokens(SqliteStore(None))
    with pytest.raises(ValueError, match="needs a name"):
        tokens.add(name, "read")
    assert not tokens.all()


def test_a_revoked_token_is_worth_nothing(service: Service) -> None:
    with closing(open_store(service.location)) as store:
        Tokens(store).revoke("read")
        assert service.tokens["read"] not in str(store.notes(""))
    assert service.ask("GET", "/v1/vms", token="read")[0] == 401


@pytest.mark.parametrize(
    "content", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]
)
def test_bodies_are_json_whatever_they_are_said_to_be(service: Service, content: str) -> None:
    body = json.dumps({"tenant": "red", "vswitch": "ovs1"}).encode()
    assert service.ask("PUT", "/v1/vms/web", raw=body, content=content)[0] == 200
    assert service.ask("PUT", "/v1/vms/web", raw=b"tenant=red", content=content)[0] == 422
    _, fabric = service.ask("GET", "/v1/fabric")
    assert (
        service.ask("PUT", "/v1/fabric", raw=json.dumps(fabric["document"]).encode(), content=content)[0]
        == 200
    )


def test_mistakes_are_explained(service: Service) -> None:
    status, answer = service.ask("PUT", "/v1/vms/web", {"tenant": "read", "vswitch": "ovs1", "vlan": 20})
    assert status == 422
    assert answer["problems"][0]["path"] == "vms.web.tenant"
    assert answer["problems"][0]["remedy"] == "did you mean 'red'?"
    assert service.ask("PUT", "/v1/fabric", {"version": 1})[0] == 422
    assert service.ask("PUT", "/v1/fabric", {"teps": True})[0] == 422
    assert service.ask("GET", "/v1/nothing")[0] == 422
    assert service.ask("GET", "/v1/nothing/at/all")[0] == 422
    assert service.ask("GET", "/nothing") == (404, {"error": "Not Found"})
    assert service.ask("PATCH", "/v1/vms/red1") == (405, {"error": "Method Not Allowed"})
    status, answer = service.ask("POST", "/v1/vms/red1/migrate?to=ovs9&step=move")
    assert (status, answer["problems"][0]["message"]) == (422, "there is no vSwitch 'ovs9'")
    assert service.ask("PUT", "/v1/vms/web", raw=b"{")[0] == 422
    wrong = {"tenant": "red", "vswitch": "ovs1", "mac": "12:00:01:00:00:09\n"}
    assert service.ask("PUT", "/v1/vms/web", wrong)[0] == 422
    assert service.ask("PUT", "/v1/vms/a%20b", {"tenant": "red", "vswitch": "ovs1"})[0] == 422
    assert service.ask("GET", "/healthz", token=None) == (200, {"revision": 1})


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("PUT", "Authorization: Bearer x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 411),
        ("PUT", "Authorization: Bearer x\r\nTransfer-Encoding: chunked", 411),
        ("POST", "Authorization: Bearer x\r\nTransfer-Encoding: chunked", 411),
        ("PUT", "Authorization: Bearer x", 411),
        ("PUT", f"Authorization: Bearer x\r\nContent-Length: {MAX_OCTETS + 1}", 413),
        ("PUT", f"Content-Length: {MAX_OCTETS}", 401),
        ("PUT", f"Authorization: Basic x\r\nContent-Length: {MAX_OCTETS}", 401),
        ("PUT", f"Authorization: Bearer forged\r\nContent-Length: {MAX_OCTETS}", 401),
    ],
)
def test_bodies_that_are_not_read(service: Service, method: str, headers: str, status: int) -> None:
    """Nothing of them is sent, and the answer comes nevertheless."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as client:
        client.sendall(f"{method} /v1/fabric HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
        with closing(http.client.HTTPResponse(client)) as response:
            response.begin()
            assert response.status == status and list(json.loads(response.read())) == ["error"]
            assert (response.getheader("WWW-Authenticate") == "Bearer") == (status == 401)


def test_numbers_are_whole(service: Service) -> None:
    def put(path: str, body: bytes) -> tuple[int, Any]:
        return service.ask("PUT", path, raw=body)

    assert put("/v1/tenants/red", b'{"oui": "12:00:01", "network": 5.0}')[0] == 200
    assert '"network": 5}' in json.dumps(service.ask("GET", "/v1/tenants/red")[1]["spec"])
    status, answer = put("/v1/tenants/blue", b'{"oui": "12:00:02", "network": 5}')
    assert (status, answer["problems"][0]["path"]) == (422, "tenants.red.network")
    assert put("/v1/vms/red1", b'{"tenant": "red", "vswitch": "ovs1", "vlan": 77.0}')[0] == 200
    _, fabric = service.ask("GET", "/v1/fabric")
    document = json.dumps({**fabric["document"], "underlay": {"mtu": 1600.0}}).encode()
    assert put("/v1/fabric", document)[0] == 200
    _, fabric = service.ask("GET", "/v1/fabric")
    assert json.dumps(fabric["document"]["underlay"]) == '{"mtu": 1600}'
    for number in (b"77.5", b"NaN", b"Infinity"):
        status, answer = put("/v1/vms/red1", b'{"tenant": "red", "vswitch": "ovs1", "vlan": %s}' % number)
        assert status == 422 and answer["problems"][0]["path"] == "vlan"
        assert "is no whole number" in answer["problems"][0]["message"]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"tenant": "red", "vswitch": "ovs1", "interface": "\ud800"}',
        rb'{"tenant": "\ud800", "vswitch": "ovs1"}',
        rb'{"tenant": "red", "vswitch": "ovs1", "\udfff": 1}',
        rb'"\ud800"',
        b"[" * 200 + b"]" * 200,
    ],
)
def test_what_no_document_can_say(service: Service, body: bytes) -> None:
    before = service.ask("GET", "/v1/fabric")
    status, answer = service.ask("PUT", "/v1/vms/web", raw=body)
    assert status == 422 and answer["problems"][0]["remedy"].startswith("send ")
    assert service.ask("PUT", "/v1/fabric", raw=b'{"vms": %s}' % body)[0] == 422
    assert service.ask("GET", "/v1/fabric") == before


def test_what_nobody_thought_of_has_the_shape_of_an_error(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*_: object) -> None:
        raise ZeroDivisionError("internals")

    monkeypatch.setattr("opentep.host.api.app.find", find)
    status, answer = service.ask("GET", "/v1/find?what=red1")
    assert status == 500 and list(answer) == ["error"] and "internals" not in answer["error"]


_KEYS = st.one_of(st.sampled_from(["tenant", "vswitch", "mac", "teps", "from", "to"]), st.text(max_size=4))
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    st.floats(allow_nan=False, allow_infinity=False),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["PUT", "DELETE", "GET"]),
    kind=st.sampled_from(
        ["vms", "teps", "tenants", "vswitches", "groups", "rules", "settings", "fabric", "log", "x"]
    ),
    name=st.text(st.sampled_from("abred1/.-_%é \\\"'"), max_size=8),
    body=_VALUES,
)
def test_any_request_gets_an_answer_and_wrong_ones_change_nothing(service, method, kind, name, body) -> None:
    before = service.ask("GET", "/v1/fabric")
    path = f"/v1/{kind}" + (f"/{urllib.parse.quote(name)}" if name else "")
    status, _ = service.ask(method, path, body)
    assert status < 500
    if status >= 400 or method == "GET":
        assert service.ask("GET", "/v1/fabric") == before


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_no_store(service: Service, method: str) -> None:
    Path(service.location).write_bytes(b"no database" * 1000)
    status, answer = service.ask(method, "/v1/vms/web", {})
    assert status == 503 and service.location in answer["error"]
