"""What agents say of their TEPs, for everybody who looks into the store."""

import json
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

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def store(self, store: Store) -> None:
        """In place of the one before."""
        store.note(_NOTES + self.tep, json.dumps(self.as_dict()))


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


def what_is_missing(repository: Repository, tep: str, *, vswitches: bool = True) -> str:
    """Why the TEP, with its ``vswitches`` or without, does not yet hold what it should; empty if it does."""
    report = reports(repository).get(tep)
    if report is None:
        return f"no agent has spoken of TEP '{tep}'"
    # What is wrong with vSwitches alone is told with the revision that the TEP holds.
    if report.error and (vswitches or not report.revision):
        return f"TEP '{tep}': {report.error}"
    if not repository.is_current(tep, report.revision):
        return f"the agent of TEP '{tep}' is at revision {report.revision}"
    return ""
