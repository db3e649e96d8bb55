"""Where every register and table lives: built once, walked for gateware, host access and documentation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from amaranth.hdl import ShapeCastable
from amaranth.lib.wiring import In, Member, Out, Signature

from ..tables.bus import TableBus, WordBus
from .bus import ADDR_BITS
from .element import Access, Register, Table

__all__ = ["Builder", "MemoryMap", "Resource"]

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Resource:
    """A register or table at its address. ``name`` reads like ``port[0].mac``."""

    name: str
    path: Path
    start: int
    """Address of the first word."""
    element: Register | Table

    @property
    def end(self) -> int:
        """Address behind the last word."""
        return self.start + self.element.size


class MemoryMap:
    """All resources in order of address, by name, and as a signature with one member each."""

    def __init__(self, resources: list[Resource], signature: Signature):
        self._resources = {resource.name: resource for resource in resources}
        self.signature = signature
        """One member per register and table, seen from the bank: writable registers and tables go out,
        read-only registers come in. Constant registers have none."""

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def __getitem__(self, name: str) -> Resource:
        return self._resources[name]

    def __contains__(self, name: str) -> bool:
        return name in self._resources

    @property
    def registers(self) -> list[Resource]:
        return [resource for resource in self if isinstance(resource.element, Register)]

    @property
    def tables(self) -> list[Resource]:
        return [resource for resource in self if isinstance(resource.element, Table)]


class Builder:
    """Collects elements and gives each the next address aligned to its size. Registers come before tables."""

    def __init__(self) -> None:
        self._resources: list[Resource] = []
        self._members: dict[str, Member] = {}
        self._scope: tuple[str, int | None] | None = None
        self._scoped: dict[str, Register] = {}
        self._next = 0

    @contextmanager
    def cluster(self, name: str, count: int | None = None) -> Iterator[None]:
        """Registers that belong together, as a nested signature; with ``count`` an array of such clusters."""
        if self._scope is not None:
            raise ValueError("clusters do not nest")
        self._scope = (name, count)
        self._scoped = {}
        yield
        self._scope = None
        signature = Signature(
            {n: member for n, r in self._scoped.items() if (member := _member(r)) is not None}
        )
        for path in _paths(name, count):
            for inner, register in self._scoped.items():
                self._place((*path, inner), register)
        if signature.members:
            self._add_member(name, Out(signature), count)

    def add(self, name: str, element: Register | Table, count: int | None = None) -> None:
        """Add one element, or an array of ``count`` like ones (possibly none)."""
        if self._scope is not None:
            if not isinstance(element, Register) or count is not None:
                raise ValueError("a cluster holds single registers")
            if name in self._scoped:
                raise ValueError(f"{name} is declared twice in {self._scope[0]}")
            self._scoped[name] = element
            return
        for path in _paths(name, count):
            self._place(path, element)
        member = _member(element)
        if member is not None:
            self._add_member(name, member, count)

    def _add_member(self, name: str, member: Member, count: int | None) -> None:
        if name in self._members:
            raise ValueError(f"{name} is declared twice")
        self._members[name] = member if count is None else member.array(count)

    def _place(self, path: Path, element: Register | Table) -> None:
        if isinstance(element, Register) and any(isinstance(r.element, Table) for r in self._resources):
            raise ValueError("declare all registers before the first table")
        start = -(-self._next // element.size) * element.size
        self._next = start + element.size
        if self._next > 1 << ADDR_BITS:
            raise ValueError(
                f"the tables of this core exceed the {1 << ADDR_BITS} words of the register space"
            )
        self._resources.append(Resource(_name(path), path, start, element))

    def as_memory_map(self) -> MemoryMap:
        return MemoryMap(self._resources, Signature(self._members))


def _paths(name: str, count: int | None) -> list[Path]:
    return [(name,)] if count is None else [(name, index) for index in range(count)]


def _name(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _member(element: Register | Table) -> Member | None:
    if isinstance(element, Table):
        return Out((WordBus if element.by_word else TableBus)(element.shape, element.depth))
    if element.is_constant:
        return None
    return In(element.shape) if element.access is Access.READ else Out(element.shape, init=_init(element))


def _init(register: Register) -> object:
    """The reset value in the form that the member's shape takes."""
    if isinstance(register.shape, ShapeCastable):
        return register.shape.from_bits(register.reset)
    return register.reset
