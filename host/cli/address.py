"""Where to listen, as people write it, and why that cannot be."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from .errors import CommandError

__all__ = ["in_url", "listening", "to_address"]


def to_address(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """``[HOST:]PORT``, for ``callback`` of an option; HOST is 127.0.0.1 unless given."""
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not port.isdecimal() or len(port) > 5 or int(port) > 0xFFFF:
        raise click.BadParameter(f"'{value}' is not [HOST:]PORT", ctx, parameter)
    return host.strip("[]") or "127.0.0.1", int(port)


def in_url(host: str, port: int) -> str:
    """As a URL has it (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def listening(address: tuple[str, int]) -> Iterator[None]:
    """Around what begins to listen there."""
    try:
        yield
    except OSError as error:
        # Of a name that nobody knows the number is negative; else Python may have said more than the reason.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror
        raise CommandError(f"cannot listen at port {address[1]} of {address[0]}: {reason}") from None
    except UnicodeError:
        raise CommandError(
            f"cannot listen at port {address[1]} of {address[0]}: no host can have this name"
        ) from None
