"""`opentep serve`."""

import ipaddress
from pathlib import Path

import click
import uvicorn
from opentep.host.api import create_app

from .address import to_address
from .main import version
from .store import chosen_location

__all__ = ["command"]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
    host, port = listen
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    if certificate is None and not _is_loopback(host):
        raise click.UsageError(f"--listen {host} needs TLS: give --certificate and --key")
    uvicorn.run(
        create_app(chosen_location(), version()),
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        access_log=False,
        server_header=False,
    )
