"""Brings a TEP from whatever it holds to what it should hold, while frames pass.

Order (make before break): what is referred to is written before what refers to it, and nothing is taken away
before what replaces it stands. Numbers that mean someone else afterwards are vacated first
(:mod:`opentep.host.transition`). What is right already is not written.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from opentep.gateware.events import (
    MAC_COUNTERS,
    PORT_COUNTERS,
    PORT_OVERRUNS,
    PUNT_EVENTS,
    SUPPRESSION_EVENTS,
    TRAFFIC_COUNTERS,
    counter_names,
)
from opentep.host.cuckoo import TableFullError
from opentep.host.departed import Departed, gives_up
from opentep.host.diff import Change, diff
from opentep.host.drain import drain_seconds, longest_lists
from opentep.host.fabric.addresses import format_ipv6
from opentep.host.held import Held, Reader
from opentep.host.link.shadow import ShadowClient
from opentep.host.macs import FoundMac
from opentep.host.neighbours.reachable import without_routers
from opentep.host.neighbours.service import NeighbourService, known_next_hops, routers, with_next_hops
from opentep.host.registers import RegisterAccess
from opentep.host.retagging import Retagged, Stage, next_stage
from opentep.host.steps import Steps
from opentep.host.tables import Port, Remote, TepTables
from opentep.host.transition import vacate
from opentep.host.usage import beyond_storm_control, usage, without_storm_control

__all__ = ["Driver", "DriverError", "Progress", "Retagger"]

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told how many requests of how many are done."""

Retagger = Callable[[Stage], Retagged]
"""Sets the tags that the ports of vSwitches have in a stage."""

_PORT_TOTALS = (*TRAFFIC_COUNTERS, *PORT_OVERRUNS)
"""Counters of a port that are no drop reasons."""

_CHUNK = 128
"""Requests between two reports of progress."""

_SEEDS = 16
"""Seeds to try before a table counts as full."""

_RETAG_SECONDS = 0.5
"""Longer than a vSwitch goes on with a tag that its port has no more."""


class DriverError(Exception):
    """The TEP cannot hold what it should."""


def _no_progress(done: int, total: int) -> None:
    """Nobody wants to know."""


class Driver:
    """One TEP behind ``registers``.

    ``drain_seconds``  time after which no frame waits any more that was judged before; None: as long as lists, packet
                       memory and links make it (:mod:`opentep.host.drain`).
    ``retag_seconds``  time after which no frame comes any more with a tag that the vSwitch's port had before.
    ``shadow``         what ``registers`` look through, if this driver is to go on for long: it then reads back only
                       what it does not know to be there, until :meth:`forget`.
    """

    def __init__(
        self,
        registers: RegisterAccess,
        *,
        drain_seconds: float | None = None,
        retag_seconds: float = _RETAG_SECONDS,
        shadow: ShadowClient | None = None,
    ):
        self.registers = registers
        self.params = registers.params
        self._reader = Reader(registers)
        self._drain_seconds = drain_seconds
        self._copies: dict[int, int] = {}
        """Per port, of a frame that waits there."""
        self._departed = Departed()
        self._retag_seconds = retag_seconds
        self._shadow = shadow
        self._static: list[FoundMac] | None = None
        """What its MAC table is known to hold, if nothing is learned."""
        self.unanswered: list[str] = []
        """Routers that :meth:`apply` found nowhere the last time, each with what was done and the remedy."""
        if shadow is not None:
            shadow.trust(registers.memory_map)

    def forget(self) -> None:
        """Take nothing for granted any more: the next look reads everything."""
        self._static = None
        if self._shadow is not None:
            self._shadow.forget()

    def read(self, *, macs: bool = True) -> Held:
        """What the TEP holds now; without ``macs`` all but the MAC table, which takes longest."""
        return self._reader.read(macs=macs, static=self._static)

    def macs(self) -> list[FoundMac]:
        """The MAC table as it is now, with what was learned."""
        return self._reader.macs.dump()

    def read_ports(self) -> list[Port]:
        """Ports as they are configured now, without names."""
        return self._reader.ports()

    def plan(self, desired: TepTables) -> list[Change]:
        """What :meth:`apply` would change; changes nothing. Raises :class:`DriverError`."""
        self._check(desired)
        held = self.read()
        return self._changes(held, with_next_hops(desired, known_next_hops(held.tables, desired)))

    def apply(
        self, desired: TepTables, progress: Progress = _no_progress, retag: Retagger | None = None
    ) -> list[Change]:
        """Make it so; returns what was changed. Raises :class:`DriverError` or ``LinkError``, and what ``retag`` does.

        ``retag`` is called before VMs come, and where they get other VLAN IDs, while the TEP takes both: they lose no
        frame then. Without it they are cut off until somebody sets their vSwitch. At ports where it did not succeed
        both stay, and nobody comes; all else is done. After that, as after an error, the TEP works with a part of the
        changes; applying again does the rest.

        What leads only to routers that do not answer, and did not before, is left out; :attr:`unanswered` tells.
        """
        self.unanswered = []
        try:
            return self._apply(desired, progress, retag)
        except TableFullError as error:
            self.forget()
            raise DriverError(f"a table of '{desired.name}' is full: {error}") from None
        except BaseException:
            self.forget()
            raise

    def _apply(self, desired: TepTables, progress: Progress, retag: Retagger | None) -> list[Change]:
        self._check(desired)
        held = self.read()
        self._copies = longest_lists((held.tables, desired))
        if held.is_blank:
            self._reader.set_seed(self._seed_for(held, desired))
        changes: list[Change] = []
        if routers(desired):
            changes = self._ready_ports(held, desired)
            held = self.read()
            desired = self._discover(held, desired)
        changes += self._changes(held, desired)
        ready: set[str] = set()
        stuck: set[str] = set()
        stage = next_stage(held.tables, desired, ready) if retag else None
        while retag and stage and stage.goes_on(stuck):
            self._bring(held, stage.tables, progress)
            outcome = retag(stage)
            stuck.update(outcome.stuck)
            if stage.rests or outcome.let_go:
                _log.info("VMs get other VLAN IDs")
                time.sleep(self._retag_seconds)
                self._bring(self.read(), stage.afterwards(stuck), progress)
                self._drain()
            ready.update(port.name for port in desired.ports if stage.concerns(port.name))
            ready -= stuck
            held = self.read()
            stage = next_stage(held.tables, desired, ready)
        self._bring(held, stage.tables if stage else desired, progress)
        if not held.enabled:
            self.registers.write("control.enable", 1)
        return changes

    def _drain(self) -> None:
        """Until no frame waits any more that was judged before."""
        time.sleep(self._wait())
        self._departed.clear()

    def _wait(self) -> float:
        """Seconds in which all queues drain."""
        if self._drain_seconds is not None:
            return self._drain_seconds
        links = {port: self.registers.read(f"port[{port}].link") for port in range(self.params.ports)}
        speeds = {port: link["speed"] for port, link in links.items() if link["up"]}
        return drain_seconds(self.params, self._copies, speeds)

    def _bring(self, held: Held, desired: TepTables, progress: Progress) -> None:
        """From ``held`` to ``desired``, whatever changes hands, now or with what was brought before."""
        time.sleep(self._departed.seconds_before(desired))
        try:
            self._hand_over(held, desired, progress)
        finally:
            if gives_up(held.tables, desired):
                self._departed.add(held.tables, self._wait())

    def _hand_over(self, held: Held, desired: TepTables, progress: Progress) -> None:
        safe = vacate(held.tables, desired)
        if safe is not held.tables:
            _log.info("vacating numbers that change hands")
            self._change_wholly(held, replace(safe, name=desired.name), _no_progress)
            self._drain()
            held = self.read()
        try:
            self._change_wholly(held, desired, progress)
        except TableFullError:
            self._change_wholly(self._without_old_keys(desired), desired, progress)

    def _change_wholly(self, held: Held, desired: TepTables, progress: Progress) -> None:
        """From ``held`` to ``desired`` in as many passes as it takes."""
        if self._change(held, desired, progress):
            # Lists that found no room while the old ones were still in use.
            self._drain()
            if self._change(self.read(), desired, progress):
                self._repack(desired, progress)

    def _seed_for(self, held: Held, desired: TepTables) -> int:
        """A seed that nobody knows who chooses addresses, and under which all keys and MAC entries find a place: where
        a table is to be nearly full, a few of a hundred seeds leave some without."""
        steps = Steps(self._reader, held, desired)
        seeds = [secrets.randbits(64) for _ in range(_SEEDS)]
        return next((seed for seed in seeds if steps.fits(seed)), seeds[0])

    def counters(self, tables: TepTables | None = None) -> dict[str, Any]:
        """Every counter by the names in ``tables``, in the form of ``counters.json``.

        Without ``tables`` ports are ``port0`` …, and of remote TEPs and tenants (``tep3``, ``tenant5``) there are
        those that the TEP knows now.
        """
        if tables is None:
            tables = self._anonymous(self.read(macs=False).tables)
        return self.port_counters([port.name for port in tables.ports]) | {
            "teps": self._traffic("tep", {tep.index: tep.name for tep in tables.teps}),
            "tenants": self._traffic("tenant", {tenant.index: tenant.name for tenant in tables.tenants}),
        }

    def port_counters(self, names: Iterable[str]) -> dict[str, Any]:
        """The counters of all ports, by ``names``, and those of the whole TEP, which take a single burst to read."""
        values = dict(
            zip(counter_names(self.params), self.registers.table("counters").read_many(), strict=True)
        )
        drops = set(PORT_COUNTERS) - set(_PORT_TOTALS)
        ports = {}
        for port, name in enumerate(names):
            counted = {counter: values[f"port[{port}].{counter}"] for counter in PORT_COUNTERS}
            ports[name] = {counter: value for counter, value in counted.items() if counter not in drops}
            ports[name]["drops"] = {counter: value for counter, value in counted.items() if counter in drops}
        suppression = SUPPRESSION_EVENTS if self.params.suppresses else ()
        return {
            "ports": ports,
            "mac": {event: values[f"mac.{event}"] for event in MAC_COUNTERS},
            "punt": {event: values[f"punt.{event}"] for event in PUNT_EVENTS},
            "suppression": {event: values[f"suppression.{event}"] for event in suppression},
        }

    def _traffic(self, kind: str, names: Mapping[int, str]) -> dict[str, dict[str, int]]:
        """Counters of those of ``names``, by index, that have some."""
        room = getattr(self.params, f"{kind}_counters")
        counted = {index: name for index, name in names.items() if index < room}
        if not counted:
            return {}
        per_party = len(TRAFFIC_COUNTERS)
        values = self.registers.table(f"{kind}_counters").read_many(
            per_party * index + number for index in counted for number in range(per_party)
        )
        return {
            name: dict(zip(TRAFFIC_COUNTERS, values[start : start + per_party], strict=True))
            for name, start in zip(counted.values(), range(0, len(values), per_party), strict=True)
        }

    @staticmethod
    def _anonymous(tables: TepTables) -> TepTables:
        """Names for what was read back from a TEP, which knows only numbers."""
        return replace(
            tables,
            ports=tuple(replace(port, name=f"port{number}") for number, port in enumerate(tables.ports)),
            teps=tuple(replace(tep, name=f"tep{tep.index}") for tep in tables.teps),
            tenants=tuple(replace(tenant, name=f"tenant{tenant.index}") for tenant in tables.tenants),
        )

    def status(self) -> dict[str, Any]:
        """State of the device."""
        registers = self.registers
        return {
            "enabled": bool(registers.read("control.enable")),
            "api_version": registers.read("id.api_version"),
            "build": f"{registers.read('id.build'):08x}",
            "address": registers.read("address"),
            "cells_used": registers.read("status.cells_used"),
            "link_errors": registers.read("status.link_errors"),
        }

    def _check(self, desired: TepTables) -> None:
        problems = [
            f"{use.used} {use.what}, but the TEP has room for {use.room}"
            for use in usage(desired, self.params)
            if use.used > use.room
        ]
        roles = [("fabric" if self.params.is_fabric(port) else "access") for port in range(self.params.ports)]
        if [port.role for port in desired.ports] != roles:
            problems.append(
                f"the document gives it {_roles([port.role for port in desired.ports])},"
                f" but it was built with {_roles(roles)}"
            )
        highest = {
            "tenants": max((tenant.index for tenant in desired.tenants), default=0),
            "teps": max((tep.index for tep in desired.teps), default=0),
            "lists": max((entry.index for entry in desired.lists), default=0),
        }
        for name, index in highest.items():
            if index >= getattr(self.params, name):
                problems.append(
                    f"its {name} table has {getattr(self.params, name)} entries, none has index {index}"
                )
        problems += [
            f"storm control of tenant '{tenant.name}': {without_storm_control(desired, self.params)}"
            for tenant in beyond_storm_control(desired, self.params)
        ]
        if problems:
            raise DriverError(f"the TEP does not fit '{desired.name}': {'; '.join(problems)}")

    def _changes(self, held: Held, desired: TepTables) -> list[Change]:
        changes = diff(held.tables, desired)
        if not held.enabled:
            changes.append(Change("forwarding", "frames", "off", "on"))
        return changes

    def _ready_ports(self, held: Held, desired: TepTables) -> list[Change]:
        """All that next hops need to answer: ports and addresses, everything else stays as it is, but for what leads to
        TEPs that are no more, as somebody was interrupted who took them away."""
        ports = (
            replace(port, retag=now.retag) for port, now in zip(desired.ports, held.tables.ports, strict=True)
        )
        sound = vacate(held.tables, held.tables)
        ready = replace(sound, address=desired.address, ports=tuple(ports))
        changes = self._changes(held, ready)
        self._change(held, ready, _no_progress)
        if sound is not held.tables:
            self._drain()
        self.registers.write("control.enable", 1)
        return changes

    def _discover(self, held: Held, desired: TepTables) -> TepTables:
        """The next hops that are given by their IPv6 addresses. A known one that is silent keeps its place; there are
        no ways over others that are."""
        with NeighbourService(self.registers, desired, known_next_hops(held.tables, desired)) as service:
            found = with_next_hops(desired, service.settle())
        lost = set()
        for neighbour in service.neighbours:
            if neighbour.silent:
                where = (
                    f"router {format_ipv6(neighbour.address)} on port {desired.ports[neighbour.port].name}"
                )
                if neighbour.mac is None:
                    lost.add((neighbour.port, neighbour.address))
                    self.unanswered.append(
                        f"{where} does not answer and is left out;"
                        " remedy: check the cable, or give its MAC as 'next_hop'"
                    )
                else:
                    _log.warning("'%s': %s does not answer, its last MAC stays", desired.name, where)
        if lost:
            found = without_routers(found, held.tables, lost)
            self._check(found)  # more lists go out of the ports that remain
        return found

    def _change(self, held: Held, desired: TepTables, progress: Progress, *, again: bool = True) -> bool:
        """One pass from ``held`` to ``desired``, and if ``again`` another one for MACs that found no place as long as
        the old ones were there. Whether lists are left that found no room. Raises :class:`TableFullError`, before
        anything is changed.
        """
        steps = Steps(self._reader, held, desired)
        requests = steps.requests()
        for start in range(0, len(requests), _CHUNK):
            self.registers.client.execute(requests[start : start + _CHUNK])
            progress(min(start + _CHUNK, len(requests)), len(requests))
        refused = self._reader.macs.refused() if steps.inserts else 0
        again = again and steps.deletes > 0
        if refused and not again:
            raise DriverError(f"the MAC table of '{desired.name}' is full: {refused} entries found no place")
        late = steps.late_requests()
        if late:
            self._drain()
            self.registers.client.execute(late)
        if refused:
            self._static = None
            return self._change(self.read(), desired, progress, again=False)
        # A tenant that learned until now may have learned since it was read.
        learns = _learns(held.tables) or _learns(desired)
        self._static = None if self._shadow is None or learns else _as_found(desired)
        return steps.left_out > 0

    def _without_old_keys(self, desired: TepTables) -> Held:
        """What the TEP holds when the keys are gone that those of ``desired`` find no place beside."""
        _log.warning(
            "'%s': keys of tenants, sources and rules that go make room before others come, frames that need them are"
            " lost meanwhile",
            desired.name,
        )
        held = self.read()  # the attempt before has placed keys that the TEP never got
        self.registers.client.execute(list(Steps(self._reader, held, desired).old_keys()))
        self._drain()
        return self.read()

    def _repack(self, desired: TepTables, progress: Progress) -> None:
        """Free entries lie scattered: write the replica lists anew, from an empty member table."""
        _log.warning("'%s': replica lists are packed anew, group frames are lost meanwhile", desired.name)
        held = self.read()
        for port, runs in held.runs.items():
            heads = self.registers.table(f"list_heads[{port}]")
            heads.write_many((index, {"valid": 0}) for index in sorted(runs))
        self._drain()
        if self._change(self.read(), desired, progress):
            raise DriverError(f"the replica lists of '{desired.name}' do not fit the member table")


def _learns(tables: TepTables) -> bool:
    return any(tenant.learn_source or tenant.learn_remote for tenant in tables.tenants)


def _as_found(tables: TepTables) -> list[FoundMac]:
    """Static entries as the TEP would tell of them."""
    ports = {tep.index: tep.port for tep in tables.teps}
    return [
        FoundMac(entry, ports[entry.place.tep] if isinstance(entry.place, Remote) else 0, True, 0)
        for entry in tables.macs
    ]


def _roles(roles: list[str]) -> str:
    return f"{roles.count('access')} access and {roles.count('fabric')} fabric ports"
