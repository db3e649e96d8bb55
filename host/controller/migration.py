"""A VM goes to another vSwitch and keeps its VLAN ID (SPEC section 7).

In two transactions. The first one gives another VLAN ID to the VM that has the mover's there, if any; its TEP's agent
changes that without losing a frame (:mod:`opentep.host.retagging`). When it has, the second one moves. What is left to
do follows from the store, so that whoever is interrupted between the two begins again.
"""

from collections.abc import Callable
from typing import Any

from opentep.host.fabric.errors import FabricError
from opentep.host.fabric.model import Fabric
from opentep.host.fabric.source import Source

from .changes import Change
from .kept import allocated
from .objects import TITLES, Key
from .reader import Reader
from .repository import Repository

__all__ = ["Migration"]

Done = tuple[int, list[Change], Fabric | None]


class Migration:
    """Of ``vm`` to ``vswitch``. All methods raise :class:`~opentep.host.fabric.errors.FabricError`."""

    def __init__(self, repository: Repository, vm: str, vswitch: str):
        self._repository = repository
        self._vm = Key("vms", vm)
        self._vswitch = Key("vswitches", vswitch)

    @property
    def tep(self) -> str:
        """The one that the VM is to be behind."""
        return str(self._named(self._vswitch)["tep"])

    @property
    def is_done(self) -> bool:
        return bool(self._named(self._vm).get("vswitch") == self._vswitch.name)

    @property
    def vlan(self) -> int | None:
        """The mover's VLAN ID; ``None`` where it is, behind a foreign TEP, it has none."""
        given = allocated(self._repository.allocations([self._vm])).get(self._vm, {})
        return {**given, **self._named(self._vm)}.get("vlan")

    def blockers(self) -> list[str]:
        """VMs there that have the mover's VLAN ID."""
        vlan = None if self.is_done else self.vlan
        with self._repository.store.view() as view:
            return self._holders(Reader(view), vlan)

    def _holders(self, reader: Reader, vlan: int | None) -> list[str]:
        if vlan is None:
            return []
        return [key.name for key in reader.holders(f"vlans/{self._vswitch.name}/{vlan}")]

    def prepare(self, action: str, *, dry_run: bool = False) -> Done:
        """Give another VLAN ID to whom the mover would meet; changes nothing if there is nobody."""
        vswitch = self._named(self._vswitch)
        vlan = None if self.is_done else self.vlan

        def holders(reader: Reader) -> list[str]:
            found = self._holders(reader, vlan)
            if found and vswitch.get("driver", "print") == "print":
                raise self._error(
                    f"VM '{found[0]}' has VLAN ID {vlan} at '{self._vswitch.name}', and nothing sets the ports there",
                    f"`opentep vm set {found[0]} --vlan …` with a free one, set its port, and migrate then",
                )
            for name in found:
                if "vlan" in (reader.get(Key("vms", name)) or {}):
                    raise self._error(
                        f"the fabric gives VM '{name}' the VLAN ID {vlan} of '{self._vm.name}'",
                        f"`opentep vm set {name} --unset vlan` gives it another one",
                    )
            return found

        return self._repository.edit(action, lambda _: {}, renewing=holders, dry_run=dry_run)

    def move(self, action: str, *, dry_run: bool = False) -> Done:
        """To the other vSwitch, with the VLAN ID if that is free there."""

        vlan = None if self.is_done else self.vlan

        def edits(get: Callable[[Key], Any]) -> dict[Key, Any]:
            spec = get(self._vm)
            if spec is None or get(self._vswitch) is None:
                raise self._error(
                    f"{self._vm} or {self._vswitch} has gone meanwhile", "look at `opentep log`"
                )
            return {
                self._vm: {**{k: v for k, v in spec.items() if k != "tep"}, "vswitch": self._vswitch.name}
            }

        def refuse_others(reader: Reader) -> list[str]:
            others = self._holders(reader, vlan)
            if others:
                raise self._error(
                    f"VM '{others[0]}' has VLAN ID {vlan} at '{self._vswitch.name}' by now", "prepare again"
                )
            return []

        return self._repository.edit(action, edits, renewing=refuse_others, dry_run=dry_run)

    def _named(self, key: Key) -> Any:
        stored = self._repository.get(key)
        if stored is None:
            command = TITLES[key.kind].lower()
            raise self._error(f"there is no {key.title}", f"`opentep {command} list` shows those there are")
        return stored.spec

    def _error(self, message: str, remedy: str) -> FabricError:
        return FabricError([Source(self._repository.store.location, {}).problem((), message, remedy)])
