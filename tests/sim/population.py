"""A fabric whose tenants and remote TEPs come and go, as one TEP with nearly full tables sees it."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from opentep.gateware.headers import Encapsulation
from opentep.host.compile import compile_tep
from opentep.host.fabric import State, allocate, loads
from opentep.host.tables import TepTables

from .table_changes import PARAMS

__all__ = ["Population"]

_CORE = ", ".join(
    f"{name}: {getattr(PARAMS, name)}" for name in ("tenants", "macs", "teps", "rules", "lists", "members")
)
_MODES = [mode.name.lower() for mode in Encapsulation]
_HERE = f"""\
  here:
    address: fd00::1
    core: {{{_CORE}}}
    ports:
      server0: {{role: access}}
      server1: {{role: access}}
      uplink0: {{role: fabric, mac: 02:00:5e:00:01:00, next_hop: 02:00:5e:00:00:f0}}
      uplink1: {{role: fabric, mac: 02:00:5e:00:01:01, next_hop: 02:00:5e:00:00:f1}}
"""


def _is_named(tenant: int) -> bool:
    """Whether the tenant has a virtual network, and with it a second key."""
    return tenant % 4 != 3


def _names_networks(tep: int) -> bool:
    """Whether what is sent to the TEP names the tenant's network."""
    return tep % 4 in (2, 3) or tep % 8 == 4


def _weight(*what: int) -> int:
    return zlib.crc32(repr(what).encode())


@dataclass(frozen=True)
class Population:
    """Who is there. ``tenants``: number → VLAN ID of its VMs here, one behind each access port."""

    tenants: dict[int, int]
    teps: frozenset[int]
    state: State = field(default_factory=State)
    """Indices that the controller keeps."""

    def without(self, tenants: Iterable[int] = (), teps: Iterable[int] = ()) -> "Population":
        stay = {tenant: vlan for tenant, vlan in self.tenants.items() if tenant not in set(tenants)}
        return replace(self, tenants=stay, teps=self.teps - set(teps))

    def joined_by(self, tenants: Iterable[int] = (), teps: Iterable[int] = ()) -> "Population":
        """Tenants get the lowest VLAN IDs that are free."""
        population = dict(self.tenants)
        for tenant in tenants:
            taken = set(population.values())
            population[tenant] = next(vlan for vlan in range(100, 4095) if vlan not in taken)
        return replace(self, tenants=population, teps=self.teps | set(teps))

    def tables(self) -> TepTables:
        """Of the TEP ``here``, with the indices that those who stay have had."""
        fabric, source = loads(self._document())
        return compile_tep(allocate(fabric, self.state, source), "here", self.state, source)

    def _home(self, tenant: int, vm: int) -> int:
        """The TEP of a VM that is elsewhere: one that comes gets its share from all others, one that goes leaves
        its VMs to them."""
        fitting = (tep for tep in self.teps if _is_named(tenant) or not _names_networks(tep))
        return max(fitting, key=lambda tep: _weight(tenant, vm, tep))

    def _document(self) -> str:
        next_hops = [
            f"      r{tep}: {{mac: 02:00:5e:00:02:{tep:02x}, port: uplink{tep // 3 % 2}}}\n"
            for tep in sorted(self.teps)
            if tep % 3 == 0
        ]
        rules = [
            f"  - {{from: t{source}, to: t{target}}}\n"
            for tenant in sorted(self.tenants)
            if tenant % 8 == 0 and tenant + 1 in self.tenants
            for source, target in ((tenant, tenant + 1), (tenant + 1, tenant))
        ]
        return "".join(
            (
                "version: 1\nteps:\n",
                _HERE,
                "    next_hops:\n",
                *next_hops,
                *map(self._tep, sorted(self.teps)),
                "tenants:\n",
                *map(self._tenant, sorted(self.tenants)),
                "vswitches: {v0: {tep: here, port: server0}, v1: {tep: here, port: server1}}\nvms:\n",
                *map(self._vms, sorted(self.tenants)),
                "rules:\n",
                *rules,
            )
        )

    @staticmethod
    def _tep(tep: int) -> str:
        is_locator = tep % 8 == 4
        address = f"fd00:{tep + 16:x}::"
        return (
            f"  r{tep}: {{foreign: true, address: '{address}{'' if is_locator else 1}',"
            f" sources: ['{address}1', '{address}2'], encapsulation: {_MODES[tep % 4]},"
            f" sid_function: {str(is_locator).lower()}}}\n"
        )

    @staticmethod
    def _tenant(tenant: int) -> str:
        network = f", network: {1000 + tenant}" if _is_named(tenant) else ""
        # Those without rules, so that no list more is needed for it.
        unknown = "flood" if tenant % 4 > 1 and tenant % 3 == 0 else "drop"
        group = "ingress" if tenant % 32 == 6 else "egress"
        return f"  t{tenant}: {{oui: 12:00:{tenant:02x}, unknown: {unknown}, group: {group}{network}}}\n"

    def _vms(self, tenant: int) -> str:
        places = [f"vswitch: v{port}, vlan: {self.tenants[tenant]}" for port in range(PARAMS.access_ports)]
        places += [f"tep: r{self._home(tenant, vm)}" for vm in (2, 3)]
        return "".join(
            f"  t{tenant}-{vm}: {{tenant: t{tenant}, mac: 12:00:{tenant:02x}:00:00:{vm:02x}, {place}}}\n"
            for vm, place in enumerate(places)
        )
