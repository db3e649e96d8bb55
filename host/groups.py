"""Group addresses of tenants (SPEC section 5, the ``ingress`` method), and replica lists for them."""

from collections.abc import Iterable
from itertools import chain, count

from opentep.host.tables import Rewritten, target_of

__all__ = ["BROADCAST", "in_order", "low_octets", "number_pairs"]

BROADCAST = 0xFFFFFFFFFFFF
_IPV4, _IPV6 = 0x01005E, 0x3333
_LOW = 0xFFFFFF


def low_octets(group: int) -> tuple[int, ...]:
    """The last 24 bits of the tenants' addresses that frames to group address ``group`` travel with.

    Two for an IPv4 group: the MAC address lacks one of its bits (RFC 1112, 6.4). None if they travel as they are.
    """
    if group == BROADCAST:
        return (_LOW,)
    if group >> 23 == _IPV4 << 1:
        return (group & _LOW, group & _LOW | 1 << 23)
    return (group & _LOW,) if group >> 32 == _IPV6 else ()


def in_order(members: Iterable[int | Rewritten]) -> tuple[int | Rewritten, ...]:
    """As a replica list has them: what is rewritten at the end, by OUI."""

    def key(member: int | Rewritten) -> tuple[int, int]:
        return (member.oui if isinstance(member, Rewritten) else -1, target_of(member))

    return tuple(sorted(members, key=key))


def number_pairs(
    kept: dict[str, int], pairs: Iterable[str], singles: Iterable[str], room: int
) -> dict[str, int]:
    """Give every name an index: its former one if it can be, else the lowest that is free; each of ``pairs`` an even
    one, and the one behind.

    A single one gives its index away only to a pair that finds no other below ``room``, which is even.
    """
    numbers: dict[str, int] = {}
    used: set[int] = set()
    singles = list(singles)

    def is_free(index: int, size: int) -> bool:
        return used.isdisjoint(range(index, index + size))

    def take(name: str, index: int, size: int) -> None:
        numbers[name] = index
        used.update(range(index, index + size))

    held = {kept[name] for name in singles if name in kept}
    beside = (index for index in range(0, room, 2) if held.isdisjoint((index, index + 1)))
    for names, size, places in ((list(pairs), 2, chain(beside, count(0, 2))), (singles, 1, count())):
        for name in names:
            index = kept.get(name, -1)
            if index >= 0 and index % size == 0 and is_free(index, size):
                take(name, index, size)
        for name in names:
            if name not in numbers:
                take(name, next(index for index in places if is_free(index, size)), size)
    return numbers
