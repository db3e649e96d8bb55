"""Options that several commands share."""

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
from opentep.gateware.params import Params
from opentep.host.fabric.validate import suggest

from .errors import MissingExtraError

__all__ = [
    "COMMAND_LINE",
    "change_params",
    "fabric_option",
    "force_option",
    "json_option",
    "link_options",
    "params_changes_option",
    "params_option",
    "parts_options",
    "plots_option",
    "store_option",
    "tep_option",
]

fabric_option = click.option(
    "-f",
    "--fabric",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("fabric.yaml"),
    show_default=True,
    envvar="OPENTEP_FABRIC",
    show_envvar=True,
    help="Fabric document.",
)

force_option = click.option(
    "--force", is_flag=True, help="The document is right, whatever others changed meanwhile."
)

COMMAND_LINE = "opentep.command_line"
"""Where `opentep` leaves what the user typed in click's ``meta``."""

store_option = click.option(
    "--store",
    metavar="LOCATION",
    envvar="OPENTEP_STORE",
    show_envvar=True,
    help="Where the fabric is kept: a file, or etcd://HOST:2379/PREFIX.  [default: fabric.db beside the document]",
)
"""Of `opentep` itself, since nearly every command looks there."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _to_plots(ctx: click.Context, parameter: click.Parameter, folder: Path | None) -> Path | None:
    """What would keep plots from being drawn is told before anything is measured for them."""
    if folder is None or ctx.resilient_parsing:
        return folder
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("--plots", ModuleNotFoundError(name="matplotlib"), "bench")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(f"cannot make '{folder}': {error.strerror}", ctx, parameter) from None
    return folder


plots_option = click.option(
    "--plots",
    metavar="FOLDER",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    callback=_to_plots,
    help="Folder for plots (SVG); needs matplotlib.",
)

tep_option = click.option("-t", "--tep", metavar="NAME", help="TEP in the document.")


def link_options(function):  # type: ignore[no-untyped-def]
    """``--link`` and ``--baud``: overrule the document's host link."""
    function = click.option(
        "--baud", type=click.IntRange(1200, 20_000_000), help="Baud rate of the host link."
    )(function)
    return click.option(
        "-l", "--link", metavar="DEVICE", help="Serial device of the host link, instead of the document's."
    )(function)


def parts_options(function):  # type: ignore[no-untyped-def]
    """``--teps`` and ``--vswitches``: which half of the fabric is meant."""
    function = click.option(
        "--vswitches/--no-vswitches", default=True, show_default=True, help="vSwitches, too."
    )(function)
    return click.option("--teps/--no-teps", default=True, show_default=True, help="TEPs, too.")(function)


def change_params(params: Params, changes: Mapping[str, int]) -> Params:
    """``params`` with what the user wants otherwise."""
    try:
        return replace(params, **changes)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--param") from None


def _to_changes(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    numbers = {}
    for value in values:
        name, equals, number = value.partition("=")
        if not equals or not number.isdigit():
            raise click.BadParameter(f"'{value}' is not NAME=NUMBER", ctx, parameter)
        if name not in Params().as_dict():
            remedy = suggest(name, list(Params().as_dict()))
            raise click.BadParameter(f"there is no build parameter '{name}' ({remedy})", ctx, parameter)
        numbers[name] = int(number)
    return numbers


def _to_params(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Params:
    return change_params(Params(), _to_changes(ctx, parameter, values))


def _params_option(callback):  # type: ignore[no-untyped-def]
    return click.option(
        "-p",
        "--param",
        "params",
        metavar="NAME=NUMBER",
        multiple=True,
        callback=callback,
        help="Build parameter of the core, such as width=64. May be repeated.",
    )


params_option = _params_option(_to_params)
"""Gives :class:`Params`: the defaults with what the user wants otherwise."""

params_changes_option = _params_option(_to_changes)
"""Gives only what the user wants otherwise, for :func:`change_params`."""
