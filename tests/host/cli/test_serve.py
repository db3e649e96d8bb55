"""`opentep serve` and `opentep token` as processes, with TLS as a user sets it up."""

import json
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentep.host.cli import main
from opentep.host.cli.address import in_url

from .conftest import EXAMPLE, OPENTEP


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_tls_and_a_token(tmp_path: Path) -> None:
    store, certificate, key = (tmp_path / name for name in ("fabric.db", "server.pem", "server.key"))
    document = tmp_path / "fabric.yaml"
    document.write_text(EXAMPLE.read_text())
    run("--store", store, "import", document)
    secret = run("--store", store, "token", "add", "grafana").strip()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*OPENTEP, "--store", str(store), "serve", "--listen", f"127.0.0.1:{port}"]
    command += ["--certificate", str(certificate), "--key", str(key)]
    context = ssl.create_default_context(cafile=certificate)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            request = urllib.request.Request(
                f"https://127.0.0.1:{port}/v1/vms", headers={"Authorization": f"Bearer {secret}"}
            )
            end = time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                        vms = json.load(answer)
                    break
                except urllib.error.URLError:
                    assert time.monotonic() < end and process.poll() is None
                    time.sleep(0.1)
            assert vms["red1"]["spec"]["tenant"] == "red"
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
            assert "Traceback" not in log and secret not in log
            assert process.returncode == 0
        finally:
            process.kill()


def test_tokens(tmp_path: Path) -> None:
    store = tmp_path / "fabric.db"
    secret = run("--store", store, "token", "add", "pipeline", "--role", "admin").strip()
    assert len(secret) > 40
    assert "revoke it first" in run("--store", store, "token", "add", "pipeline", code=1)
    run("--store", store, "token", "add", "grafana")
    listed = json.loads(run("--store", store, "token", "list", "--json"))
    assert listed == {"grafana": "read", "pipeline": "admin"}
    run("--store", store, "token", "revoke", "pipeline")
    assert "there is no token 'pipeline'" in run("--store", store, "token", "revoke", "pipeline", code=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "0.0.0.0:8480"], "needs TLS"),
        (["--listen", "rack7:8480"], "needs TLS"),
        (["--listen", "x"], "is not [HOST:]PORT"),
        (["--listen", "9" * 5000], "is not [HOST:]PORT"),
        (["--certificate", __file__], "go together"),
    ],
)
def test_what_would_not_be_safe_is_refused(arguments: list[str], message: str) -> None:
    assert message in run("serve", *arguments, code=2)


@pytest.mark.parametrize("command", [["serve", "--listen"], ["agent", "--metrics"]])
def test_where_another_program_listens(command: list[str], tmp_path: Path) -> None:
    run("--store", tmp_path / "fabric.db", "import", EXAMPLE)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        output = run("--store", tmp_path / "fabric.db", *command, port, code=1)
    assert output == f"opentep: cannot listen at port {port} of 127.0.0.1: Address already in use\n"


def test_files_that_are_no_certificate() -> None:
    output = run("serve", "--listen", "0", "--certificate", __file__, "--key", __file__, code=1)
    assert f"{__file__} and {__file__} are no certificate and its key" in output


def test_a_key_with_a_pass_phrase(tmp_path: Path) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-passout",
            "pass:secret",
            "-subj",
            "/CN=localhost",
        ]
        + ["-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    output = run("serve", "--listen", "0", "--certificate", certificate, "--key", key, code=1)
    assert f"{key} is encrypted" in output and "openssl pkey" in output


def test_addresses_in_urls() -> None:
    assert [in_url("127.0.0.1", 80), in_url("::1", 80)] == ["127.0.0.1:80", "[::1]:80"]
