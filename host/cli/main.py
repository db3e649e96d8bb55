"""Entry point: the commands there are, and what becomes of errors."""

import importlib
import importlib.metadata
import logging
import os
import shlex
import sys
from dataclasses import dataclass
from typing import Any

import click
from opentep.sim.signals import terminable

from .errors import MissingExtraError, explain
from .options import COMMAND_LINE, store_option

__all__ = ["main", "version"]

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


@dataclass(frozen=True)
class _Lazy:
    """A command that is imported when it is used."""

    module: str
    summary: str
    extra: str = ""
    """Extra of the distribution that the command needs."""
    attribute: str = "command"


_COMMANDS = {
    "check": _Lazy("check", "Check a fabric document."),
    "plan": _Lazy("plan", "Show what `apply` would change."),
    "apply": _Lazy("apply", "Bring TEPs and vSwitches to what the document says."),
    "import": _Lazy("import_document", "Store what a document says, without touching anything else."),
    "tenant": _Lazy("objects", "Tenants of the stored fabric.", attribute="tenant"),
    "vm": _Lazy("objects", "VMs of the stored fabric.", attribute="vm"),
    "tep": _Lazy("objects", "TEPs of the stored fabric.", attribute="tep"),
    "vswitch": _Lazy("objects", "vSwitches of the stored fabric.", attribute="vswitch"),
    "group": _Lazy("objects", "Groups of the stored fabric.", attribute="group"),
    "rule": _Lazy("objects", "Rules between tenants of the stored fabric.", attribute="rule"),
    "log": _Lazy("log", "Show who changed the stored fabric, when and how."),
    "find": _Lazy("find", "Where is the VM with this MAC address, IP address or name?"),
    "agent": _Lazy("agent", "Keep TEPs at what the store says."),
    "vtep": _Lazy("vtep", "Let controllers of hardware VTEPs drive the fabric."),
    "status": _Lazy("status", "Show what the agents of the TEPs said last."),
    "top": _Lazy("top", "Watch traffic and drops of all TEPs."),
    "serve": _Lazy("serve", "Serve the stored fabric over HTTP.", "api"),
    "token": _Lazy("token", "Who may use that.", "api"),
    "show": _Lazy("show", "Show what a TEP holds: tables, counters, identification."),
    "neighbours": _Lazy("neighbours", "Find the next hops of a TEP by neighbour discovery."),
    "mdio": _Lazy("mdio", "Read or write a register of a port's PHY."),
    "capture": _Lazy("capture", "Capture what a TEP drops or forwards, as pcapng."),
    "inject": _Lazy("inject", "Send frames of captures out of a port of a TEP."),
    "events": _Lazy("events", "Tell of learned, moved and aged addresses as they happen."),
    "replay": _Lazy("replay", "Run captures through a TEP: its gateware or its model.", "sim"),
    "lab": _Lazy("lab", "Two racks of VMs, Open vSwitch and TEPs on this machine.", "sim"),
    "board": _Lazy("board", "Run the gateware as a virtual board on live interfaces.", "sim"),
    "build": _Lazy("build", "Build a bitstream for a board, or the core alone.", "build"),
    "flash": _Lazy("flash", "Load a bitstream into a board.", "build,flash"),
    "export": _Lazy("export", "Write the stored fabric, or the TEP for tools of FPGA vendors."),
    "bench": _Lazy(
        "bench", "Measure the gateware by RFC 2544 and RFC 2889, the host link, or the controller.", "sim"
    ),
    "fuzz": _Lazy("fuzz", "Attack the gateware, and compare it with the model.", "sim"),
    "schema": _Lazy("schema", "Print the JSON Schema of the fabric document."),
    "registers": _Lazy("registers", "Print the register reference."),
    "completion": _Lazy("completion", "Print a completion script for a shell."),
}


def _is_utf8(word: str) -> bool:
    """Octets of an argument that are none come as halves of surrogate pairs."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


class _Commands(click.Group):
    """Group whose commands are loaded one by one, with one place for all errors."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[COMMAND_LINE] = shlex.join(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        lazy = _COMMANDS.get(name)
        if lazy is None:
            return None
        try:
            return getattr(importlib.import_module(f"{__package__}.{lazy.module}"), lazy.attribute)
        except ModuleNotFoundError as error:
            if ctx.resilient_parsing:  # a shell that completes
                return click.Command(name, help=lazy.summary)
            raise MissingExtraError(f"opentep {name}", error, lazy.extra) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from opentep.host.fabric.validate import suggest

            message = f"{error.format_message()} ({suggest(args[0], list(_COMMANDS))})"
            raise click.UsageError(message, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output went away, which is its right
            ctx.exit(1)
        except ModuleNotFoundError as error:  # of what the command imports only where it needs it
            name = ctx.invoked_subcommand or ""
            raise MissingExtraError(f"opentep {name}", error, _COMMANDS[name].extra) from error
        except UnicodeEncodeError as error:
            wrong = [word for word in shlex.split(ctx.meta[COMMAND_LINE]) if not _is_utf8(word)]
            if wrong:
                shown = ", ".join(repr(os.fsencode(word)).removeprefix("b") for word in wrong)
                raise click.UsageError(f"not UTF-8: {shown}", ctx) from None
            raise explain(error, verbose=ctx.params.get("verbose", 0) > 1) from error
        except Exception as error:
            raise explain(error, verbose=ctx.params.get("verbose", 0) > 1) from error


def version() -> str:
    """Of the distribution, as it is installed."""
    try:
        return importlib.metadata.version("opentep")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"opentep {version()}")
        ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 it did not work, 2 wrong usage or document, 3 `plan` found changes.",
)
@click.option("-v", "--verbose", count=True, help="Tell more; twice for debugging.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version.",
)
@store_option
@click.pass_context
def main(ctx: click.Context, verbose: int, store: str | None) -> None:
    """Hardware tunnel end points for network virtualization.

    \b
    opentep check fabric.yaml             is the document right?
    opentep plan                          what would change?
    opentep apply                         make it so
    opentep show counters --watch 1       see it work
    """
    ctx.with_resource(terminable())
    level = _LEVELS[min(verbose, len(_LEVELS) - 1)]
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", force=True)
