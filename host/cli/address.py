"""Where to listen, as people write it."""

import click

__all__ = ["to_address"]


def to_address(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """``[HOST:]PORT``, for ``callback`` of an option; HOST is 127.0.0.1 unless given."""
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not port.isdecimal() or int(port) > 0xFFFF:
        raise click.BadParameter(f"'{value}' is not [HOST:]PORT", ctx, parameter)
    return host.strip("[]") or "127.0.0.1", int(port)
