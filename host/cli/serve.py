"""`opentep serve`."""

import ipaddress
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import click
import uvicorn
from opentep.host.api import create_app

from .address import in_url, listening, to_address
from .errors import CommandError
from .main import version
from .store import existing_location

__all__ = ["command"]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_pair(certificate: Path, key: Path) -> None:
    """Whether they are what they should be."""

    def pass_phrase() -> str:
        raise CommandError(
            f"{key} is encrypted, and a service has nobody to type its pass phrase;"
            f" remedy: `openssl pkey -in {key} -out KEY` writes one that is not"
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, pass_phrase)
    except ssl.SSLError as error:
        raise CommandError(
            f"{certificate} and {key} are no certificate and its key: {error.strerror}"
        ) from None
    except OSError as error:
        raise CommandError(f"cannot read {certificate} and {key}: {error.strerror}") from None


_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    default="8480",
    show_default=True,
    callback=to_address,
    help="Where to listen; without HOST for this machine only.",
)
@click.option("--certificate", type=_file, help="PEM file with the certificate, for TLS.")
@click.option("--key", type=_file, help="PEM file with its private key.")
def command(listen: tuple[str, int], certificate: Path | None, key: Path | None) -> None:
    """Serve the stored fabric over HTTP: a web page at /, and a REST interface, described at /openapi.json.

    Whoever asks gives a token of `opentep token add`, as `Authorization: Bearer …`. Beyond this machine tokens must not
    travel in the clear: a HOST other than loopback needs --certificate and --key. It logs to standard error and ends on
    SIGTERM or Ctrl-C.

    \b
    opentep serve
    opentep serve --listen '[::]:8443' --certificate server.pem --key server.key
    curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8480/v1/vms
    """
    host, _ = listen
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    if certificate is None and not _is_loopback(host):
        raise click.UsageError(f"--listen {host} needs TLS: give --certificate and --key")
    if certificate is not None and key is not None:
        _check_pair(certificate, key)
    config = uvicorn.Config(
        create_app(existing_location(), version()),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        access_log=False,
        server_header=False,
    )
    config.load()
    with listening(listen):
        listener = socket.create_server(listen, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    scheme = "http" if certificate is None else "https"
    click.echo(f"serving at {scheme}://{in_url(host, listener.getsockname()[1])}/", err=True)
    with listener, suppress(KeyboardInterrupt, SystemExit):  # both signals are how it is told to end
        uvicorn.Server(config).run([listener])
