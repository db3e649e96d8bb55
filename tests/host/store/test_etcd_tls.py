"""etcd with TLS and client certificates, as operators have it."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from opentep.host.store import StoreError, open_store
from opentep.sim.fleet.etcd import Etcd


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _make_certificate(folder: Path, name: str) -> None:
    """Signed by the folder's authority."""
    request, extensions = folder / f"{name}.csr", folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
    _openssl(*new, "-keyout", folder / f"{name}.key", "-out", request)
    sign = ["x509", "-req", "-days", "2", "-CAcreateserial", "-extfile", extensions]
    ca = ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key"]
    _openssl(*sign, *ca, "-in", request, "-out", folder / f"{name}.pem")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Etcd, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("ca", "other"):
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", *files
        )
    for name in ("server", "client"):
        _make_certificate(folder, name)
    server = Etcd(tmp_path_factory.mktemp("etcd"), folder)
    server.start()
    yield server, folder
    server.kill()


def test_a_store_with_tls(secured: tuple[Etcd, Path]) -> None:
    etcd, folder = secured
    files = f"cacert={folder}/ca.pem&cert={folder}/client.pem&key={folder}/client.key"
    location = f"etcds://127.0.0.1:{etcd.port}/fabric?{files}"
    with closing(open_store(location)) as store, closing(open_store(location)) as other:
        assert store.wait(0, 0.1) == 0
        with other.transaction() as transaction:
            transaction.put("a", "1")
        assert store.wait(0, 10) == 1
        with store.view() as view:
            assert dict(view.scan("")) == {"a": "1"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("cacert={0}/ca.pem", "etcd: .*remedy"),  # it wants a certificate, and may just end the connection
        (
            "cacert={0}/other.pem&cert={0}/client.pem&key={0}/client.key",
            "no TLS with etcd: certificate verify failed: unable to get local issuer certificate; remedy",
        ),
        ("cacert={0}/server.csr&cert={0}/client.pem&key={0}/client.key", "no TLS with etcd: no certificate"),
        ("cacert={0}/ca.pem&cert={0}/client.pem&key={0}/ca.key", "no TLS with etcd: key values mismatch;"),
        ("cacert={0}/none.pem", "there is no file"),
        ("cert={0}/client.pem", "cert and key go together"),
        ("password=x", "'password' is none of cacert, cert, key, password_file"),
    ],
)
def test_whoever_is_not_trusted_is_told(secured: tuple[Etcd, Path], query: str, message: str) -> None:
    etcd, folder = secured
    with pytest.raises(StoreError, match=message):
        open_store(f"etcds://127.0.0.1:{etcd.port}/fabric?{query.format(folder)}")


def test_a_certificate_for_another_host(secured: tuple[Etcd, Path]) -> None:
    etcd, folder = secured
    files = f"cacert={folder}/ca.pem&cert={folder}/client.pem&key={folder}/client.key"
    wrong = r"no TLS with etcd: .*not valid for 'localhost'\.; remedy: .* names this host"
    with pytest.raises(StoreError, match=wrong):
        open_store(f"etcds://localhost:{etcd.port}/fabric?{files}")


def test_certificates_need_tls(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    with pytest.raises(StoreError, match="certificates are for etcds"):
        open_store(f"etcd://127.0.0.1:1/fabric?cacert={tmp_path}/ca.pem")
