"""Reading back what a TEP holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opentep.gateware.headers import GROUP_PREFIX_BITS
from opentep.gateware.lookup.tables import rule_geometry, source_geometry, tenant_geometry
from opentep.gateware.suppression.tables import known_geometry
from opentep.host.encode import (
    NO_STORM,
    decode_known,
    decode_members,
    decode_outer,
    decode_port,
    decode_rule,
    decode_tenant,
    decode_ways,
    fabric_number,
    is_group,
    is_outer,
)
from opentep.host.exact import ExactTable
from opentep.host.macs import FoundMac, MacAccess
from opentep.host.registers import RegisterAccess
from opentep.host.tables import (
    MacTableEntry,
    Port,
    Remote,
    RemoteTep,
    ReplicaList,
    Rewritten,
    Tenant,
    TepTables,
    target_of,
)

__all__ = ["Held", "Learned", "Reader"]

SCANS_PER_LIFETIME = 3.5
"""Ageing scans of the gateware in ``age_seconds`` (``gateware/tables/mac_ageing.py``)."""


@dataclass(frozen=True)
class Learned:
    """A learned entry of the MAC table."""

    entry: MacTableEntry
    idle_seconds: int
    """About how long it has sent no frame."""


@dataclass(frozen=True)
class Held:
    """What a TEP holds now: in the terms of the document, and as raw entries where those say more."""

    tables: TepTables
    """What is static, without names; entries that nothing refers to are left out."""
    learned: tuple[Learned, ...] = ()
    enabled: bool = False
    ports: tuple[dict[str, Any], ...] = ()
    """Registers of each port."""
    outer: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    """Outer headers by (fabric port, TEP index), valid ones."""
    modes: list[dict[str, Any]] = field(default_factory=list)
    """Entries of ``tep_modes``."""
    storm: list[dict[str, int]] = field(default_factory=list)
    """Entries of ``storm_limits``, if the core has storm control."""
    ways: list[tuple[int, ...]] = field(default_factory=list)
    """Fabric ports per bucket and TEP, where there are several."""
    runs: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    """Per port and list: base and length of its members."""
    remote_ports: dict[tuple[int, int], int] = field(default_factory=dict)
    """Fabric port of each static MAC entry behind a remote TEP, by (tenant, MAC)."""
    keys: dict[str, dict[int, int]] = field(default_factory=dict)
    """Content of the exact-match tables ``tenant``, ``source``, ``rule`` and ``known``."""

    @property
    def is_blank(self) -> bool:
        """Whether the TEP forwards nothing, and no key leads to anything that it holds."""
        return _is_blank(self.enabled, self.keys)


def _is_blank(enabled: bool, keys: dict[str, dict[int, int]]) -> bool:
    return not enabled and not any(keys.values())


class Reader:
    """Reads a TEP back through ``registers``."""

    def __init__(self, registers: RegisterAccess):
        self.registers = registers
        self.params = registers.params
        self.tenant_keys = ExactTable(registers, "tenant", tenant_geometry(self.params))
        self.source_keys = ExactTable(registers, "source", source_geometry(self.params))
        self.rule_keys = ExactTable(registers, "rule", rule_geometry(self.params))
        self.known_keys = (
            ExactTable(registers, "known", known_geometry(self.params)) if self.params.suppresses else None
        )
        self.macs = MacAccess(registers)

    def read(self, *, macs: bool = True, static: Sequence[FoundMac] | None = None) -> Held:
        """Everything, or everything but MAC entries. Changes nothing; what changes meanwhile may be seen or not.
        ``static``: what is known to be the MAC table, which is not read then.

        The MAC table of a TEP that :attr:`Held.is_blank` is taken as empty: reading it is what takes longest, and it is
        cleared before anything is written.
        """
        registers = self.registers
        enabled = bool(registers.read("control.enable"))
        keys = {
            "tenant": self.tenant_keys.read(),
            "source": self.source_keys.read(),
            "rule": self.rule_keys.read(),
            "known": self.known_keys.read() if self.known_keys else {},
        }
        ports = tuple(self.read_port(index) for index in range(self.params.ports))
        outer = self._outer()
        modes = self.registers.table("tep_modes").read_many()
        storm = self.registers.table("storm_limits").read_many() if self.params.limited_tenants else []
        ways = []
        if self.params.has_ways:
            entries = self.registers.table("tep_ways").read_many()
            ways = [decode_ways(entry, self.params) for entry in entries]
        runs, lists = self._lists()
        age_seconds = registers.read("age_seconds")
        found_macs: Sequence[FoundMac] = static or ()
        if static is None and macs and not _is_blank(enabled, keys):
            found_macs = self.macs.dump()
        static = [found for found in found_macs if found.is_static]
        learned = [
            Learned(found.entry, round(found.scans * age_seconds / SCANS_PER_LIFETIME))
            for found in found_macs
            if not found.is_static
        ]
        remote_ports = {
            (found.entry.tenant, found.entry.mac): found.port
            for found in static
            if isinstance(found.entry.place, Remote)
        }
        tables = TepTables(
            name="",
            address=registers.read("address"),
            ports=tuple(decode_port(index, self.params, raw) for index, raw in enumerate(ports)),
            tenants=self._tenants(keys["tenant"], storm),
            macs=tuple(
                sorted((found.entry for found in static), key=lambda entry: (entry.tenant, entry.mac))
            ),
            teps=self._teps(keys["source"], outer, modes, ways, static, lists),
            lists=lists,
            rules=tuple(sorted(decode_rule(key, self.params) for key in keys["rule"])),
            known=tuple(sorted(decode_known(key, mac) for key, mac in keys["known"].items())),
            sid_function=bool(registers.read("sid_function")),
            group_prefix=registers.read("group_prefix") << 128 - GROUP_PREFIX_BITS,
            age_seconds=age_seconds,
            learned_limit=registers.read("learned_limit"),
        )
        return Held(
            tables, tuple(learned), enabled, ports, outer, modes, storm, ways, runs, remote_ports, keys
        )

    def ports(self) -> list[Port]:
        """Ports as they are configured, without names."""
        return [decode_port(index, self.params, self.read_port(index)) for index in range(self.params.ports)]

    def set_seed(self, seed: int) -> None:
        """Set the seed of all hashes, which only a TEP whose tables are empty can stand."""
        for table in (self.tenant_keys, self.source_keys, self.rule_keys, self.known_keys):
            if table is None:
                continue
            self.registers.client.execute(table.tidy())
            table.reseed(seed)
        self.macs.clear()
        self.registers.write("hash_seed", seed)

    def read_port(self, index: int) -> dict[str, Any]:
        """Registers of a port, those that its role uses."""
        names = ["key_mask"]
        names += ["mac", "mtu", "advert_sum"] if self.params.is_fabric(index) else ["native_vid", "retag"]
        return {name: self.registers.read(f"port[{index}].{name}") for name in names}

    def _tenants(self, keys: dict[int, int], storm: list[dict[str, int]]) -> tuple[Tenant, ...]:
        keys_of: dict[int, list[int]] = {}
        for key, index in keys.items():
            keys_of.setdefault(index, []).append(key)
        entries = self.registers.table("tenant_entries").read_many()
        return tuple(
            decode_tenant(
                index, entry, storm[index] if index < len(storm) else NO_STORM, keys_of.get(index, ())
            )
            for index, entry in enumerate(entries)
            if entry["flags"]["valid"] or index in keys_of
        )

    def _outer(self) -> dict[tuple[int, int], dict[str, Any]]:
        return {
            (port, tep): header
            for port in range(self.params.access_ports, self.params.ports)
            for tep, header in enumerate(
                self.registers.table(f"outer_headers[{fabric_number(self.params, port)}]").read_many()
            )
            if is_outer(header)
        }

    def _teps(
        self,
        keys: dict[int, int],
        outer: dict[tuple[int, int], dict[str, Any]],
        modes: list[dict[str, Any]],
        ways: list[tuple[int, ...]],
        macs: list[FoundMac],
        lists: tuple[ReplicaList, ...],
    ) -> tuple[RemoteTep, ...]:
        """TEPs that have a source, and groups of them, which have none. Their first port is that of what refers to
        them, else of their outer header."""
        ports = {tep: port for port, tep in sorted(outer, reverse=True)}
        for replicas in lists:
            for port, members in replicas.members.items():
                if self.params.is_fabric(port):
                    ports |= dict.fromkeys(map(target_of, members), port)
        ports |= {
            found.entry.place.tep: found.port for found in macs if isinstance(found.entry.place, Remote)
        }
        sources: dict[int, list[int]] = {
            index: [] for (_, index), header in outer.items() if is_group(header)
        }
        for source, index in keys.items():
            sources.setdefault(index, []).append(source)

        def headers(index: int) -> dict[int, dict[str, Any]]:
            first = ports[index]
            others = sorted(set(ways[index]) - {first}) if ways else []
            return {port: outer[port, index] for port in (first, *others) if (port, index) in outer}

        return tuple(
            decode_outer(index, headers(index), modes[index], tuple(sorted(addresses)))
            for index, addresses in sorted(sources.items())
            if (ports.get(index), index) in outer
        )

    def _lists(self) -> tuple[dict[int, dict[int, tuple[int, int]]], tuple[ReplicaList, ...]]:
        runs: dict[int, dict[int, tuple[int, int]]] = {}
        lists: dict[int, dict[int, tuple[int | Rewritten, ...]]] = {}
        for port in range(self.params.ports):
            heads = self.registers.table(f"list_heads[{port}]").read_many()
            used = {index: head["base"] for index, head in enumerate(heads) if head["valid"]}
            runs[port] = {}
            if not used:
                continue
            members = self.registers.table(f"list_members[{port}]").read_many()
            for index, base in used.items():
                end = base
                while end < len(members) - 1 and not members[end]["last"]:
                    end += 1
                runs[port][index] = (base, end + 1 - base)
                lists.setdefault(index, {})[port] = decode_members(members[base : end + 1])
        return runs, tuple(ReplicaList(index, lists[index]) for index in sorted(lists))
