"""`opentep tenant`, `vm`, `tep`, `vswitch`, `group` and `rule`: single objects of the stored fabric.

Their options are the keys of the document's JSON Schema.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
import yaml
from opentep.host.controller import Repository
from opentep.host.controller.kept import allocated
from opentep.host.controller.objects import KINDS, TITLES, Key, references, rule_name
from opentep.host.fabric.errors import FabricError
from opentep.host.fabric.validate import load_schema, suggest

from .edited import show_edited
from .errors import CommandError
from .migrate import command as migrate
from .options import json_option
from .output import print_json, print_table
from .schema_options import given_values, schema_option
from .store import command_line, open_stored

__all__ = ["group", "rule", "tenant", "tep", "vm", "vswitch"]

_USERS = 5
"""Of an object, that are named at most."""


@dataclass(frozen=True)
class _Kind:
    """A kind of object, for people."""

    kind: str
    """As :data:`opentep.host.controller.objects.KINDS` has it."""
    word: str
    """The command."""
    columns: tuple[str, ...]
    """Keys worth a column in a list."""
    example: str
    """Options of an `add`."""

    @property
    def title(self) -> str:
        """In a sentence."""
        return TITLES[self.kind]

    @property
    def properties(self) -> dict[str, Any]:
        return load_schema()["$defs"][self.word]["properties"]


def _known(repository: Repository, kind: _Kind, name: str) -> Any:
    key = Key(kind.kind, name)
    stored = repository.get(key)
    if stored is None:
        names = [known.name for known in repository.objects(kind.kind)]
        hint = f" ({suggest(name, names)})" if names else ""
        raise CommandError(f"there is no {key.title}{hint}")
    return stored.spec


def _users(repository: Repository, key: Key) -> list[str]:
    """Some of the objects that name it."""
    users = [
        other.title
        for kind in KINDS
        for other, stored in repository.objects(kind).items()
        if key in references(other, stored.spec)
    ]
    return users[:_USERS] + (["others"] if len(users) > _USERS else [])


def _change(
    edits: Callable[[Callable[[Key], Any]], Mapping[Key, Any]],
    dry_run: bool,
    as_json: bool,
    *,
    create: bool = False,
) -> None:
    """Do it, and tell what was done. ``create``: a store that is not there yet."""
    with open_stored(create=create and not dry_run) as repository:
        revision, changes, fabric = repository.edit(command_line(), edits, dry_run=dry_run)
    show_edited(revision, changes, fabric, dry_run=dry_run, as_json=as_json)


_dry_run = click.option("--dry-run", is_flag=True, help="Only show what would change.")


def _complete_names(kind: _Kind) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Names that are stored, for a shell."""

    def complete(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
        try:
            with ctx.scope(), open_stored() as repository:
                return [key.name for key in repository.objects(kind.kind) if key.name.startswith(begun)]
        except Exception:
            return []  # a shell cannot do anything with an error

    return complete


def _names(kind: _Kind) -> Callable[[Any], Any]:
    """What an object is called on the command line."""
    if kind.kind != "rules":
        return click.argument("name", shell_complete=_complete_names(kind))

    def decorate(function: Any) -> Any:
        return click.argument("source", metavar="FROM")(click.argument("target", metavar="TO")(function))

    return decorate


def _name(options: dict[str, Any]) -> str:
    if "name" in options:
        return str(options.pop("name"))
    return rule_name(options.pop("source"), options.pop("target"))


def _spec_options(kind: _Kind) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        if kind.kind != "rules":
            for name, schema in reversed(kind.properties.items()):
                function = schema_option(name, schema)(function)
        return function

    return decorate


def _objects(kind: _Kind) -> click.Group:
    """The commands of one kind."""
    word = kind.word
    what = "FROM TO" if kind.kind == "rules" else "NAME"
    title = kind.title

    def help_of(text: str, command: str) -> str:
        return f"{text}\n\n\b\nopentep {word} {command}"

    group = click.Group(
        word,
        help=f"Add, change, list and remove {title}s of the stored fabric.\n\n\b\n"
        f"opentep {word} add {kind.example}\nopentep {word} list\nopentep {word} --help",
    )

    @group.command(
        "add", help=help_of(f"Add a {title}. What can be allocated may be left out.", f"add {kind.example}")
    )
    @_names(kind)
    @_spec_options(kind)
    @_dry_run
    @json_option
    def add(dry_run: bool, as_json: bool, **options: Any) -> None:
        ends = {"from": options["source"], "to": options["target"]} if kind.kind == "rules" else None
        name = _name(options)
        key = Key(kind.kind, name)

        def edits(get: Callable[[Key], Any]) -> dict[Key, Any]:
            if get(key) is not None:
                remedy = (
                    "it is there already"
                    if kind.kind == "rules"
                    else f"`opentep {word} set {name} …` changes it"
                )
                raise CommandError(f"{key.title} exists; remedy: {remedy}")
            return {key: ends or given_values(kind.properties, options)}

        _change(edits, dry_run, as_json, create=True)

    if kind.kind != "rules":

        @group.command(
            "set",
            help=help_of(
                f"Change a {title}. Options that are not given stay as they are.", f"set {kind.example}"
            ),
        )
        @_names(kind)
        @_spec_options(kind)
        @click.option(
            "--unset",
            multiple=True,
            metavar="KEY",
            type=click.Choice([name.replace("_", "-") for name in kind.properties]),
            help="Leave KEY out: it takes its default, or what is allocated. May be repeated.",
        )
        @_dry_run
        @json_option
        def change(name: str, unset: tuple[str, ...], dry_run: bool, as_json: bool, **options: Any) -> None:
            key = Key(kind.kind, name)
            given = given_values(kind.properties, options)
            leave = {flag.replace("-", "_") for flag in unset}
            if not given and not leave:
                raise click.UsageError("nothing to change: give an option, or --unset")

            def edits(get: Callable[[Key], Any]) -> dict[Key, Any]:
                spec = get(key)
                if spec is None:
                    with open_stored() as repository:
                        _known(repository, kind, name)
                return {key: {k: v for k, v in {**(spec or {}), **given}.items() if k not in leave}}

            _change(edits, dry_run, as_json)

    @group.command(
        "remove",
        help=help_of(
            f"Remove a {title}. What was allocated to it rests before it is used again.", f"remove {what}"
        ),
    )
    @_names(kind)
    @_dry_run
    @json_option
    def remove(dry_run: bool, as_json: bool, **options: Any) -> None:
        name = _name(options)

        def edits(get: Callable[[Key], Any]) -> dict[Key, Any]:
            if get(Key(kind.kind, name)) is None:
                with open_stored() as repository:
                    _known(repository, kind, name)
            return {Key(kind.kind, name): None}

        try:
            _change(edits, dry_run, as_json)
        except FabricError:
            with open_stored() as repository:
                users = _users(repository, Key(kind.kind, name))
            if not users:
                raise
            raise CommandError(
                f"{Key(kind.kind, name).title} is in use by {', '.join(users)}; remedy: remove or move these first"
            ) from None

    @group.command(
        "show", help=help_of(f"Show a {title} as in a document, with what was allocated.", f"show {what}")
    )
    @_names(kind)
    @json_option
    def show(as_json: bool, **options: Any) -> None:
        name = _name(options)
        with open_stored() as repository:
            key = Key(kind.kind, name)
            spec = {**_known(repository, kind, name), **allocated(repository.allocations([key])).get(key, {})}
        if as_json:
            print_json(spec)
        else:
            click.echo(
                yaml.safe_dump({name.replace("/", " → "): spec}, sort_keys=False, allow_unicode=True).rstrip()
            )

    @group.command(
        "list", help=help_of(f"List {title}s with what was allocated.", f"list --where {kind.columns[0]}=…")
    )
    @click.option(
        "-w",
        "--where",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only those in which KEY is VALUE. May be repeated.",
    )
    @json_option
    def list_all(where: tuple[str, ...], as_json: bool) -> None:
        wanted = dict(_condition(kind, text) for text in where)
        with open_stored() as repository:
            stored, given = repository.objects(kind.kind), allocated(repository.allocations())
            places = _places(repository) if kind.kind == "vms" else {}
        specs = {key.name: {**item.spec, **given.get(key, {})} for key, item in stored.items()}
        for spec in specs.values():
            if spec.get("vswitch") in places:
                spec["tep"] = places[spec["vswitch"]]
        specs = {
            n: spec for n, spec in specs.items() if all(_cell(spec.get(k)) == v for k, v in wanted.items())
        }
        if as_json:
            print_json(specs)
            return
        if kind.kind == "rules":
            print_table(kind.columns, [name.split("/") for name in specs])
            return
        rows = [[name, *(_cell(spec.get(column)) for column in kind.columns)] for name, spec in specs.items()]
        print_table([word, *kind.columns], rows)

    return group


def _places(repository: Repository) -> dict[str, str]:
    """TEPs by vSwitch: where VMs are, who name only that."""
    return {key.name: stored.spec["tep"] for key, stored in repository.objects("vswitches").items()}


def _condition(kind: _Kind, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"'{text}' is not KEY=VALUE", param_hint="--where")
    if name not in kind.properties:
        remedy = suggest(name, list(kind.properties))
        raise click.BadParameter(f"a {kind.title} has no '{name}' ({remedy})", param_hint="--where")
    return name, value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


tenant = _objects(_Kind("tenants", "tenant", ("oui", "network", "source", "group"), "red --oui 12:00:01"))
vm = _objects(
    _Kind(
        "vms",
        "vm",
        ("tenant", "vswitch", "tep", "mac", "vlan", "addresses"),
        "web1 --tenant red --vswitch ovs1",
    )
)
vm.add_command(migrate, "migrate")
tep = _objects(
    _Kind(
        "teps",
        "tep",
        ("address", "ports", "encapsulation", "foreign"),
        "site3 --foreign --address fd00:3::d2",
    )
)
vswitch = _objects(
    _Kind("vswitches", "vswitch", ("tep", "port", "driver", "ovsdb"), "ovs1 --tep rack1 --port server")
)
group = _objects(
    _Kind(
        "groups",
        "group",
        ("tenant", "address", "members"),
        "tv --tenant red --address 239.1.2.3 --members a,b",
    )
)
rule = _objects(_Kind("rules", "rule", ("from", "to"), "red services"))
