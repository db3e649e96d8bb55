"""Which TEPs a command talks to, and how it reaches them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from opentep.host.connect import open_driver
from opentep.host.document import Document
from opentep.host.driver import Driver
from opentep.host.tables import TepTables

from .errors import CommandError
from .store import fabric_of

__all__ = ["Target", "one_target", "targets"]


@dataclass(frozen=True)
class Target:
    """One TEP to talk to."""

    name: str
    device: str
    baud: int | None
    tables: TepTables | None
    """What the document says about it; ``None`` without a document."""

    @contextmanager
    def connect(self) -> Iterator[Driver]:
        with open_driver(self.device, self.baud) as driver:
            yield driver


def _target(document: Document, name: str, link: str | None, baud: int | None) -> Target | None:
    given = document.fabric.teps[name].link
    device = link or (given.device if given else None)
    if device is None:
        return None
    return Target(name, device, baud or (given.baud if given and not link else None), document.tables[name])


def _checked(document: Document, name: str) -> str:
    try:
        return document.tep(name).name
    except KeyError as error:
        raise click.UsageError(error.args[0]) from None


def targets(
    document: Document, name: str | None, link: str | None, baud: int | None, *, teps: bool = True
) -> list[Target]:
    """All TEPs of the document with a host link, or only ``name``; none if only their vSwitches are wanted, and not
    ``teps``. A TEP without a link is said so."""
    names = list(document.tables) if name is None else [_checked(document, name)]
    if not teps:
        return []
    if link is not None and len(names) != 1:
        raise click.UsageError("--link is for one TEP: name it with --tep")
    found: list[Target] = []
    for each in names:
        target = _target(document, each, link, baud)
        if target is not None:
            found.append(target)
        elif name is not None:
            raise CommandError(
                f"the document has no 'link' for TEP '{name}'; remedy: add one, or give --link DEVICE"
            )
        else:
            click.echo(f"opentep: TEP '{each}' has no 'link' in the document and is left out", err=True)
    _refuse_shared(found)
    return found


def _refuse_shared(found: list[Target]) -> None:
    """A document may name a device of each rack's machine alike: all these TEPs, one after the other, at the same one
    is never meant."""
    at: dict[str, str] = {}
    for target in found:
        other = at.setdefault(os.path.realpath(target.device), target.name)
        if other != target.name:
            raise click.UsageError(
                f"TEPs '{other}' and '{target.name}' have the same link, {target.device}:"
                " name the one that is there with --tep"
            )


def one_target(
    fabric: Path, name: str | None, link: str | None, baud: int | None, *, nameless: bool = False
) -> Target:
    """The TEP that is meant. With ``link`` the document may be missing: the tables then have no names. Where none are
    wanted (``nameless``), it does not count then."""
    if link is not None and name is None and (nameless or not fabric.exists()):
        return Target(link, link, baud, None)
    document = fabric_of(fabric, save=False)
    candidates = [each for each in document.tables if link or document.fabric.teps[each].link]
    if name is None and len(candidates) != 1:
        raise click.UsageError(f"which TEP? Give --tep, one of: {', '.join(document.tables)}")
    (target,) = targets(document, name or candidates[0], link, baud)
    return target
