"""The requests of one pass from what a TEP holds to what it should hold, in an order that frames can stand."""

from collections.abc import Iterable, Iterator
from typing import Any

from opentep.gateware.csr.codec import Codec
from opentep.gateware.headers import GROUP_PREFIX_BITS
from opentep.host.encode import (
    NO_HEAD,
    NO_OUTER,
    NO_STORM,
    NO_TENANT,
    encode_members,
    encode_mode,
    encode_outer,
    encode_port,
    encode_storm,
    encode_tenant,
    encode_ways,
    fabric_number,
    is_group,
    known_key,
    rule_key,
    tenant_keys,
)
from opentep.host.exact import ExactTable
from opentep.host.held import Held, Reader
from opentep.host.link.protocol import Read, Write
from opentep.host.mac_fit import macs_fit
from opentep.host.members import MemberSpace
from opentep.host.tables import Group, Local, MacTableEntry, Remote, Rewritten, Tenant, TepTables
from opentep.host.ways import share

__all__ = ["Steps"]

Request = Read | Write
_Entries = list[tuple[int, Any]]


class Steps:
    """Compares ``held`` with ``desired``; :meth:`requests` is what must be done, and :meth:`late_requests`
    what must be done when the queues have drained.

    Known after :meth:`requests`:

    ``left_out``  lists that found no room in the member table as long as the old ones stand.
    ``inserts``   entries that the MAC table may refuse.
    ``deletes``   entries of the MAC table that make room, after that.
    """

    def __init__(self, reader: Reader, held: Held, desired: TepTables):
        self._reader = reader
        self._registers = reader.registers
        self._params = reader.params
        self._held = held
        self._desired = desired
        self.left_out = 0
        self.inserts = 0
        self.deletes = 0

    def requests(self) -> list[Request]:
        """In order. Raises :class:`opentep.host.cuckoo.TableFullError`."""
        return [
            *self._old_known(),
            *self._configuration(),
            *self._modes(),
            *self._outer_headers(),
            *self._ways(),
            *self._lists(),
            *self._new_tenants(),
            *self._limits(),
            *self._new_macs(),
            *self._new_keys(),
            *self._new_known(),
            *self.old_keys(),
            *self._old_macs(),
            *self._old_tenants_and_lists(),
        ]

    def fits(self, seed: int) -> bool:
        """Whether all keys and MAC entries find a place in tables that are empty, with ``seed`` for their hashes."""
        tables = [(table, wanted) for table, wanted, _ in self._wanted_keys()]
        if self._reader.known_keys is not None:
            tables.append((self._reader.known_keys, self._known()))
        return all(table.fits(wanted, seed) for table, wanted in tables) and macs_fit(
            self._params, self._desired.macs, seed
        )

    def late_requests(self) -> list[Request]:
        """Outer headers of TEPs at ports that no longer lead to them, and of groups, which nothing else tells of."""
        ways = {tep.index: {way.port for way in tep.ways} for tep in self._desired.teps}
        return [
            request
            for (port, index), header in self._held.outer.items()
            if port not in ways.get(index, set() if is_group(header) else {port})
            for request in self._write(
                f"outer_headers[{fabric_number(self._params, port)}]", [(index, NO_OUTER)]
            )
        ]

    def _write(self, table: str, entries: Iterable[tuple[int, Any]]) -> Iterator[Write]:
        return self._registers.table(table).write_requests(entries)

    def _register(self, name: str, value: Any) -> Write:
        resource = self._registers.memory_map[name]
        return Write(resource.start, tuple(Codec(resource.element.shape).to_words(value)))

    def _configuration(self) -> Iterator[Request]:
        held, desired = self._held.tables, self._desired
        if held.age_seconds != desired.age_seconds:
            yield self._register("age_seconds", desired.age_seconds)
        if held.learned_limit != desired.learned_limit:
            yield self._register("learned_limit", desired.learned_limit)
        if held.sid_function != desired.sid_function:
            yield self._register("sid_function", int(desired.sid_function))
        if held.group_prefix != desired.group_prefix:
            yield self._register("group_prefix", desired.group_prefix >> 128 - GROUP_PREFIX_BITS)
        if held.address != desired.address:
            yield self._register("address", desired.address)
        for index, port in enumerate(desired.ports):
            for name, value in encode_port(port, desired.address).items():
                if self._held.ports[index][name] != value:
                    yield self._register(f"port[{index}].{name}", value)

    def _modes(self) -> Iterator[Request]:
        """What frames that are under way must not meet together with the outer header of another mode, which is why
        such a TEP was vacated before."""
        wanted = [(tep.index, encode_mode(tep)) for tep in self._desired.teps]
        return self._write("tep_modes", [(i, mode) for i, mode in wanted if self._held.modes[i] != mode])

    def _outer_headers(self) -> Iterator[Request]:
        """Raw entries are compared: they also hold the TEP's own addresses."""
        wanted: dict[int, _Entries] = {}
        for tep in self._desired.teps:
            for way in tep.ways:
                header = encode_outer(tep, way, self._desired)
                if self._held.outer.get((way.port, tep.index)) != header:
                    wanted.setdefault(way.port, []).append((tep.index, header))
        for port, entries in wanted.items():
            yield from self._write(f"outer_headers[{fabric_number(self._params, port)}]", entries)

    def _ways(self) -> Iterator[Request]:
        """Flows change their way only if theirs is given up, or if another one has too few."""
        if not self._params.has_ways:
            return iter(())
        now = self._held.ways
        wanted = {
            tep.index: share([way.port for way in tep.ways], now[tep.index]) for tep in self._desired.teps
        }
        return self._write(
            "tep_ways",
            [(i, encode_ways(ports, self._params)) for i, ports in wanted.items() if now[i] != ports],
        )

    def _members_now(self) -> dict[tuple[int, int], tuple[int | Rewritten, ...]]:
        """Members by (port, list)."""
        return _by_port(self._held.tables)

    def _lists(self) -> Iterator[Request]:
        """Members go to free entries; then the heads flip, each list at one instant.

        Lists that nobody uses any more stay until their users are gone.
        """
        now, then = self._members_now(), _by_port(self._desired)
        used = self._desired.list_users()
        for port in range(self._params.ports):
            space = MemberSpace(self._params.members, self._held.runs[port].values())
            members: _Entries = []
            heads: _Entries = []
            for (on_port, index), targets in sorted(then.items()):
                if on_port != port or now.get((port, index)) == targets:
                    continue
                entries = encode_members(targets)
                base = space.allocate(len(entries))
                if base is None:
                    self.left_out += 1
                    continue
                members += enumerate(entries, base)
                heads.append((index, {"valid": 1, "base": base}))
            emptied = (index for on_port, index in now if on_port == port and (port, index) not in then)
            heads += [(index, NO_HEAD) for index in emptied if index in used]
            yield from self._write(f"list_members[{port}]", members)
            yield from self._write(f"list_heads[{port}]", heads)

    def _new_tenants(self) -> Iterator[Request]:
        now = {tenant.index: encode_tenant(tenant) for tenant in self._held.tables.tenants}
        wanted = {tenant.index: encode_tenant(tenant) for tenant in self._desired.tenants}
        return self._write(
            "tenant_entries", [(i, entry) for i, entry in wanted.items() if now.get(i) != entry]
        )

    def _limits(self) -> Iterator[Request]:
        """Of tenants that are to be there, and of nobody else: what a bucket lacks is made good as soon as it has no
        limit, so that the next tenant with this index finds it full."""
        wanted = {tenant.index: encode_storm(tenant.storm) for tenant in self._desired.tenants}
        changes = [
            (index, wanted.get(index, NO_STORM))
            for index, entry in enumerate(self._held.storm)
            if wanted.get(index, NO_STORM) != entry
        ]
        return self._write("storm_limits", changes) if changes else iter(())

    def _new_macs(self) -> Iterator[Request]:
        now = set(self._held.tables.macs)
        ports = {tep.index: tep.port for tep in self._desired.teps}

        def is_right(entry: MacTableEntry) -> bool:
            if isinstance(entry.place, Remote):
                port = self._held.remote_ports.get((entry.tenant, entry.mac))
                return entry in now and port == ports[entry.place.tep]
            return entry in now

        missing = [entry for entry in self._desired.macs if not is_right(entry)]
        self.inserts = len(missing)
        if missing:
            yield from self._reader.macs.forget_refused()
            yield from self._reader.macs.insert(missing, ports)

    def _wanted_keys(self) -> list[tuple[ExactTable, dict[int, int], str]]:
        """Table, content and name, in the order in which keys are added; they are removed in the reverse one, so
        that no rule names a tenant index that is another tenant's by then."""
        masks = self._desired.key_masks
        tenants = {
            key: tenant.index for tenant in self._desired.tenants for key in tenant_keys(tenant, masks)
        }
        sources = {source: tep.index for tep in self._desired.teps for source in tep.sources}
        rules = {rule_key(rule, self._params): 1 for rule in self._desired.rules}
        return [
            (self._reader.source_keys, sources, "source"),
            (self._reader.tenant_keys, tenants, "tenant"),
            (self._reader.rule_keys, rules, "rule"),
        ]

    def _new_keys(self) -> Iterator[Request]:
        for table, wanted, name in self._wanted_keys():
            for key, value in wanted.items():
                if self._held.keys[name].get(key) != value:
                    yield from table.put(key, value)

    def old_keys(self) -> Iterator[Request]:
        """What takes away the keys that are not desired."""
        for table, wanted, name in reversed(self._wanted_keys()):
            yield from table.tidy()
            for key in self._held.keys[name]:
                if key not in wanted:
                    yield from table.remove(key)

    def _known(self) -> dict[int, int]:
        return {known_key(known): known.mac for known in self._desired.known}

    def _old_known(self) -> Iterator[Request]:
        """First of all: it makes room, no answer names a VM that goes, and a request that nobody answers is flooded."""
        table, wanted = self._reader.known_keys, self._known()
        if table is not None:
            yield from table.tidy()
            for key in self._held.keys["known"]:
                if key not in wanted:
                    yield from table.remove(key)

    def _new_known(self) -> Iterator[Request]:
        """When frames find those whom the answers name."""
        table = self._reader.known_keys
        if table is not None:
            for key, mac in self._known().items():
                if self._held.keys["known"].get(key) != mac:
                    yield from table.put(key, mac)

    def _old_macs(self) -> Iterator[Request]:
        wanted = {(entry.tenant, entry.mac) for entry in self._desired.macs}
        held = {(entry.tenant, entry.mac) for entry in self._held.tables.macs}
        stale = _Stale(self._desired)
        learned = (learned.entry for learned in self._held.learned)
        held |= {(entry.tenant, entry.mac) for entry in learned if stale(entry)}
        gone = sorted(held - wanted)
        self.deletes = len(gone)
        return self._reader.macs.delete(gone)

    def _old_tenants_and_lists(self) -> Iterator[Request]:
        wanted = {tenant.index for tenant in self._desired.tenants}
        gone = [tenant.index for tenant in self._held.tables.tenants if tenant.index not in wanted]
        yield from self._write("tenant_entries", [(index, NO_TENANT) for index in gone])
        used = self._desired.list_users()
        then = _by_port(self._desired)
        for port, index in sorted(self._members_now()):
            if (port, index) not in then and index not in used:
                yield from self._write(f"list_heads[{port}]", [(index, NO_HEAD)])


class _Stale:
    """Whether a learned entry contradicts what is desired now."""

    def __init__(self, desired: TepTables):
        self._tenants = {tenant.index: tenant for tenant in desired.tenants}
        self._teps = {tep.index for tep in desired.teps}
        self._key_masks = desired.key_masks
        self._owners = {entry.place: entry.tenant for entry in desired.macs if isinstance(entry.place, Local)}

    def _is_of(self, tenant: Tenant, mac: int) -> bool:
        """Whether some port takes ``mac`` for the tenant's, as far as the OUI and the block go."""
        return mac >> 24 in tenant.ouis and any(
            (mac ^ tenant.block) & mask.mac & 0xFFFFFF == 0 for mask in self._key_masks
        )

    def __call__(self, entry: MacTableEntry) -> bool:
        tenant = self._tenants.get(entry.tenant)
        if tenant is None:
            return True
        if tenant.ouis and not tenant.network and not self._is_of(tenant, entry.mac):
            return True
        match entry.place:
            case Local():
                return not tenant.learn_source or self._owners.get(entry.place, entry.tenant) != entry.tenant
            case Remote(tep):
                return not tenant.learn_remote or tep not in self._teps
            case Group():
                return True


def _by_port(tables: TepTables) -> dict[tuple[int, int], tuple[int | Rewritten, ...]]:
    """Members by (port, list), where there are any."""
    return {
        (port, entry.index): targets
        for entry in tables.lists
        for port, targets in entry.members.items()
        if targets
    }
