"""What agents say of their TEPs, for everybody who looks into the store."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentep.host.controller import Migration, Repository
from opentep.host.store import Store

__all__ = ["Report", "reports", "what_is_missing", "why_no_room"]

_NOTES = "agents/"


@dataclass(frozen=True)
class Report:
    """What an agent last said of its TEP."""

    tep: str
    revision: int
    """Of the store, that the TEP holds."""
    error: str
    """Empty: all is well."""
    time: str
    """UTC, ISO 8601."""
    vswitches: bool = True
    """It sets those behind the TEP, too."""
    wrong: Sequence[str] = ()
    """Those that it could not set. Their VMs are not all as they should be, but all else at the TEP is, as far as its
    routers answer."""

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def store(self, store: Store) -> None:
        """In place of the one before."""
        store.note(_NOTES + self.tep, json.dumps(self.as_dict()))

    @staticmethod
    def forget(tep: str, store: Store) -> None:
        """When there is no such TEP any more."""
        store.note(_NOTES + tep, None)


def reports(repository: Repository) -> dict[str, Report]:
    """Of all agents, by TEP."""
    found = repository.store.notes(_NOTES)
    return {key.removeprefix(_NOTES): Report(**json.loads(text)) for key, text in found.items()}


def why_no_room(repository: Repository, migration: Migration) -> str:
    """Why a VM at the target of ``migration`` cannot get another VLAN ID there; empty if it can, or if none must."""
    report = reports(repository).get(migration.tep)
    if report is None or report.vswitches or not migration.blockers():
        return ""
    return f"the agent of TEP '{migration.tep}' sets no vSwitches (--no-vswitches)"


def what_is_missing(repository: Repository, tep: str, vswitch: str | None = None) -> str:
    """Why the TEP, and ``vswitch`` behind it, if any is meant, is not yet what it should be; empty if it is."""
    report = reports(repository).get(tep)
    if report is None:
        return f"no agent has spoken of TEP '{tep}'"
    # What is wrong with vSwitches and routers alone is told with the revision that the TEP holds.
    if report.error and (vswitch in report.wrong or not report.revision):
        return f"TEP '{tep}': {report.error}"
    if not repository.is_current(tep, report.revision):
        return f"the agent of TEP '{tep}' is at revision {report.revision}"
    return ""
