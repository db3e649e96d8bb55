"""What `show` shows: each view as columns and rows for people, and as JSON for programs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from opentep.host.diff import Names, place_numbers
from opentep.host.driver import Driver, Held
from opentep.host.fabric.addresses import format_ip, format_ipv6, format_mac, format_oui
from opentep.host.phys import Link, read_links
from opentep.host.tables import MacTableEntry, Rewritten, TepTables

from .output import Cell

__all__ = ["VIEWS", "View"]


@dataclass(frozen=True)
class View:
    """A table, or several counted things."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]] = ()
    json: Any = None


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _port_names(driver: Driver, tables: TepTables | None) -> list[str]:
    if tables is not None and len(tables.ports) == driver.params.ports:
        return [port.name for port in tables.ports]
    return [f"port{index}" for index in range(driver.params.ports)]


def _names(held: Held, tables: TepTables | None) -> Names:
    return Names(held.tables if tables is None else tables)


def tenants(driver: Driver, tables: TepTables | None) -> View:
    held = driver.read(macs=False)
    names = _names(held, tables)
    items: list[dict[str, Any]] = [
        {
            "index": tenant.index,
            "name": names.tenant(tenant.index),
            "ouis": [format_oui(oui) for oui in tenant.ouis],
            "vlan": tenant.vlan or None,
            "network": tenant.network or None,
            "source": "learn" if tenant.learn_source else "strict",
            "remote": "learn" if tenant.learn_remote else "static",
            "unknown": "drop" if tenant.unknown_list is None else "flood",
            "unknown_list": tenant.unknown_list,
            "flood_list": tenant.flood_list,
            "storm": asdict(tenant.storm) if tenant.storm else None,
            "suppress": tenant.suppresses,
            "sends_to": [names.tenant(r.target) for r in held.tables.rules if r.source == tenant.index],
        }
        for tenant in held.tables.tenants
    ]
    rows = [
        (
            i["index"],
            i["name"],
            ", ".join(i["ouis"]),
            f"{i['vlan']:#05x}" if i["vlan"] else "",
            i["network"] or "",
            i["source"],
            i["remote"],
            i["unknown"],
            i["flood_list"],
            f"{i['storm']['rate']}/s, {i['storm']['burst']} at once" if i["storm"] else "",
            _yes(i["suppress"]),
            ", ".join(i["sends_to"]),
        )
        for i in items
    ]
    columns = (
        "index",
        "tenant",
        "OUIs",
        "VLAN",
        "network",
        "source",
        "remote",
        "unknown",
        "list",
        "storm control",
        "suppress",
        "may send to",
    )
    return View(columns, rows, items)


def macs(driver: Driver, tables: TepTables | None) -> View:
    held = driver.read()
    names = _names(held, tables)
    items: list[dict[str, Any]] = []
    found: list[tuple[MacTableEntry, int | None]] = [(entry, None) for entry in held.tables.macs]
    found += [(learned.entry, learned.idle_seconds) for learned in held.learned]
    for entry, idle in found:
        items.append(
            {
                "mac": format_mac(entry.mac),
                "tenant": names.tenant(entry.tenant),
                "tenant_index": entry.tenant,
                "place": names.place(entry.place),
                **place_numbers(entry.place),
                "learned": idle is not None,
                "idle_seconds": idle,
            }
        )
    items.sort(key=lambda item: (item["tenant_index"], item["mac"]))
    rows = [
        (
            i["mac"],
            i["tenant"],
            i["place"],
            f"learned, silent for about {i['idle_seconds']} s" if i["learned"] else "static",
        )
        for i in items
    ]
    return View(("MAC", "tenant", "place", "kind"), rows, items)


def teps(driver: Driver, tables: TepTables | None) -> View:
    held = driver.read(macs=False)
    names = _names(held, tables)
    items: list[dict[str, Any]] = [
        {
            "index": tep.index,
            "name": names.tep(tep.index),
            "address": format_ipv6(tep.address),
            "sources": [format_ipv6(source) for source in tep.sources],
            "ways": [
                {"port": names.port(way.port), "next_hop": format_mac(way.next_hop)} for way in tep.ways
            ],
            "encapsulation": tep.encapsulation.name.lower(),
            "sid_function": tep.sid_function,
            "hop_limit": tep.hop_limit,
            "dscp": "copy" if tep.dscp is None else tep.dscp,
        }
        for tep in held.tables.teps
    ]
    rows = [
        (
            i["index"],
            i["name"],
            i["address"],
            ", ".join(i["sources"]),
            ", ".join(f"{way['port']} via {way['next_hop']}" for way in i["ways"]),
            i["encapsulation"] + (", SID function" if i["sid_function"] else ""),
            i["hop_limit"],
            i["dscp"],
        )
        for i in items
    ]
    return View(
        ("index", "TEP", "address", "sends from", "ways", "encapsulation", "hop limit", "DSCP"),
        rows,
        items,
    )


def addresses(driver: Driver, tables: TepTables | None) -> View:
    held = driver.read(macs=False)
    names = _names(held, tables)
    items: list[dict[str, Any]] = [
        {
            "address": format_ip(known.version, known.address),
            "tenant": names.tenant(known.tenant),
            "tenant_index": known.tenant,
            "mac": format_mac(known.mac),
        }
        for known in held.tables.known
    ]
    rows = [(i["address"], i["tenant"], i["mac"]) for i in items]
    return View(("address", "tenant", "MAC"), rows, items)


def lists(driver: Driver, tables: TepTables | None) -> View:
    held = driver.read()
    names = _names(held, tables)
    users = {
        index: [
            f"{format_mac(mac)} of {names.tenant(tenant)}" if mac else names.tenant(tenant)
            for tenant, mac in sorted(of)
        ]
        for index, of in held.tables.list_users().items()
    }
    items = []
    rows: list[tuple[Cell, ...]] = []
    for replicas in held.tables.lists:
        used_by = users.get(replicas.index, [])
        members = {
            names.port(port): [asdict(m) if isinstance(m, Rewritten) else m for m in values]
            for port, values in replicas.members.items()
        }
        items.append({"index": replicas.index, "used_by": used_by, "members": members})
        shown = names.members(replicas, driver.params.is_fabric)
        rows.append((replicas.index, ", ".join(used_by) or "(nobody)", shown))
    return View(("list", "used by", "members"), rows, items)


def counters(driver: Driver, tables: TepTables | None) -> View:
    fits = tables is not None and len(tables.ports) == driver.params.ports
    values = driver.counters(tables if fits else None)
    rows: list[tuple[Cell, ...]] = []
    for port, named in values["ports"].items():
        flat = {name: value for name, value in named.items() if name != "drops"}
        flat |= {f"drop {name}": value for name, value in named["drops"].items()}
        rows += [(port, name, value) for name, value in flat.items() if value]
    for kind, group in (("TEP", "teps"), ("tenant", "tenants")):
        for party, named in values[group].items():
            rows += [(f"{kind} {party}", name, value) for name, value in named.items() if value]
    for where, group in (("MAC table", "mac"), ("host", "punt"), ("suppression", "suppression")):
        rows += [(where, name, value) for name, value in values[group].items() if value]
    return View(("where", "counter", "value"), rows, values)


def _link(link: Link) -> str:
    if not link.up:
        return "down"
    rate = "1 Gb/s" if link.mbits == 1000 else f"{link.mbits} Mb/s" if link.mbits else "unknown rate"
    return f"up, {rate}, {'full' if link.full_duplex else 'half'} duplex"


def ports(driver: Driver, tables: TepTables | None) -> View:
    items: list[dict[str, Any]] = []
    links = read_links(driver.registers)
    for index, (port, name) in enumerate(zip(driver.read_ports(), _port_names(driver, tables), strict=True)):
        item: dict[str, Any] = {"index": index, "name": name, "role": port.role, "link": asdict(links[index])}
        if port.role == "fabric":
            item |= {"mac": format_mac(port.mac), "mtu": port.mtu}
        else:
            item |= {"native_vlan": port.native_vid or None}
        items.append(item)
    rows = [
        (
            i["index"],
            i["name"],
            i["role"],
            _link(links[i["index"]]),
            f"MAC {i['mac']}, MTU {i['mtu']}"
            if i["role"] == "fabric"
            else f"native VLAN {i['native_vlan'] or 'none'}",
        )
        for i in items
    ]
    return View(("index", "port", "role", "link", "settings"), rows, items)


def identification(driver: Driver, tables: TepTables | None) -> View:
    status = driver.status()
    items = {**asdict(driver.params), **status, "address": format_ipv6(status["address"])}
    rows = [(name, _yes(value) if isinstance(value, bool) else value) for name, value in items.items()]
    return View(("what", "value"), rows, items)


VIEWS: dict[str, Callable[[Driver, TepTables | None], View]] = {
    "tenants": tenants,
    "macs": macs,
    "addresses": addresses,
    "teps": teps,
    "lists": lists,
    "counters": counters,
    "ports": ports,
    "id": identification,
}
