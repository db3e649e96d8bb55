"""etcd with authentication: a user for opentep, and what it may not do."""

import base64
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from etcd3gw.client import Etcd3Client
from opentep.host.store import StoreError, open_store
from opentep.sim.fleet.etcd import Etcd


def _post(etcd: Etcd, path: str, request: dict, *, as_root: bool = False) -> None:
    client = Etcd3Client("127.0.0.1", etcd.port, api_path="/v3/")
    if as_root:
        token = client.post(client.get_url("/auth/authenticate"), json=_user("root"))["token"]
        client.session.headers["Authorization"] = token
    client.post(client.get_url(path), json=request)


def _user(name: str) -> dict:
    return {"name": name, "password": f"{name}'s secret"}


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    """``opentep`` may do everything below ``/fabric/``, ``guest`` nothing; their passwords stand in files."""
    server = Etcd(tmp_path)
    server.start()
    for name in ("root", "opentep", "guest"):
        _post(server, "/auth/user/add", _user(name))
        (tmp_path / name).write_text(_user(name)["password"] + "\n")
    _post(server, "/auth/role/add", {"name": "fabric"})
    start, end = (base64.b64encode(key).decode() for key in (b"/fabric/", b"/fabric0"))
    permission = {"permType": "READWRITE", "key": start, "range_end": end}
    _post(server, "/auth/role/grant", {"name": "fabric", "perm": permission})
    _post(server, "/auth/user/grant", {"user": "opentep", "role": "fabric"})
    _post(server, "/auth/user/grant", {"user": "root", "role": "root"})
    _post(server, "/auth/enable", {})
    yield server
    server.kill()


def _location(etcd: Etcd, user: str, password_file: Path, prefix: str = "fabric") -> str:
    return f"etcd://{user}@127.0.0.1:{etcd.port}/{prefix}?password_file={password_file}"


def test_a_user(etcd: Etcd, tmp_path: Path) -> None:
    location = _location(etcd, "opentep", tmp_path / "opentep")
    with closing(open_store(location)) as store, closing(open_store(location)) as other:
        assert store.wait(0, 0.1) == 0
        for number in range(1, 4):
            with other.transaction() as transaction:
                transaction.put("a", str(number))
            assert store.wait(number - 1, 10) == number
        store.note("n", "1")
        assert other.notes("") == {"n": "1"}


def test_a_token_is_forgotten(etcd: Etcd, tmp_path: Path) -> None:
    """As etcd does after some minutes, or when a password changes."""
    with closing(open_store(_location(etcd, "opentep", tmp_path / "opentep"))) as store:
        assert store.wait(0, 0) == 0
        changed = {"name": "opentep", "password": "another one"}
        _post(etcd, "/auth/user/changepw", changed, as_root=True)
        with pytest.raises(StoreError, match=r"user opentep: .*authentication failed"):
            store.wait(0, 0)
        (tmp_path / "opentep").write_text("another one")
        with store.transaction() as transaction:
            transaction.put("a", "1")
        assert store.wait(0, 10) == 1


def test_whoever_may_not_is_told(etcd: Etcd, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("guess")
    for location, message in (
        (f"etcd://127.0.0.1:{etcd.port}/fabric", "refuses it: .*user name is empty"),
        (_location(etcd, "opentep", tmp_path / "wrong"), "refuses it: user opentep: .*authentication failed"),
        (_location(etcd, "nobody", tmp_path / "opentep"), "refuses it: user nobody: .*authentication failed"),
        (_location(etcd, "guest", tmp_path / "guest"), "refuses it: .*permission denied"),
        (_location(etcd, "opentep", tmp_path / "opentep", "other"), "refuses it: .*permission denied"),
    ):
        with pytest.raises(StoreError, match=message) as caught:
            open_store(location)
        assert "guess" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("etcd://me:secret@127.0.0.1/fabric", "passwords stand in files"),
        ("etcd://me:secret@/fabric", "it has no host"),
        ("etcd://me:secret@h:99999/f", "cannot be told"),
        ("etcd://me:sec/ret@h/f", "cannot be told"),
        ("etcd://me:12/secret@h/f", "passwords stand in files"),
        ("etcd://h/f?password=secret", "'password' is none of"),
        ("etcd://h/f#secret", "'#' means nothing"),
        ("etcd://me@127.0.0.1/fabric", "a user and password_file go together"),
        ("etcd://127.0.0.1/fabric?password_file={0}", "a user and password_file go together"),
        ("etcd://me@127.0.0.1/fabric?password_file={0}/none", "there is no file"),
    ],
)
def test_a_location_that_makes_no_sense(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "password").touch()
    with pytest.raises(StoreError, match=message) as caught:
        open_store(location.format(tmp_path / "password"))
    assert "secret" not in str(caught.value) and "ret@" not in str(caught.value)


class _Strange(BaseHTTPRequestHandler):
    """What is no etcd answers to everything."""

    answer: tuple[int, dict[str, str], bytes]

    def do_POST(self) -> None:
        status, headers, content = self.answer
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"{}"),
        (200, {}, b"[1]"),
        (200, {}, b"hello"),
        (500, {}, b"x"),
        (307, {"Location": "http://127.0.0.1:9/"}, b""),
    ],
)
def test_what_is_no_etcd(tmp_path: Path, answer: tuple[int, dict[str, str], bytes]) -> None:
    (tmp_path / "password").write_text("secret")
    handler = type("Handler", (_Strange,), {"answer": answer})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        location = f"etcd://me@127.0.0.1:{server.server_port}/fabric?password_file={tmp_path}/password"
        with pytest.raises(StoreError, match="user me: status") as caught:
            open_store(location)
        server.shutdown()
    assert "secret" not in str(caught.value)


def test_a_password_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="the password of user me"):
        open_store(f"etcd://me@127.0.0.1:9/fabric?password_file={tmp_path}/password")
