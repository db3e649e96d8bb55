"""How the flows to a remote TEP are shared between its ways."""

from collections import Counter
from collections.abc import Sequence

from opentep.gateware.lookup.ways import BUCKETS

__all__ = ["share"]


def share(ports: Sequence[int], held: Sequence[int] = ()) -> tuple[int, ...]:
    """The port of every bucket, as evenly as there can be, and moving no more of those ``held`` than that takes.

    ``ports`` are all different.
    """
    least, more = divmod(BUCKETS, len(ports))
    load: Counter[int] = Counter()
    result: list[int | None] = [None] * BUCKETS
    for bucket, port in enumerate(held):
        # Of the ports that get one more, those that have one more already are the first.
        fuller = sum(count > least for count in load.values())
        if port in ports and (load[port] < least or (load[port] == least and fuller < more)):
            result[bucket] = port
            load[port] += 1
    for bucket in range(BUCKETS):
        if result[bucket] is None:
            result[bucket] = chosen = min(ports, key=lambda port: (load[port], ports.index(port)))
            load[chosen] += 1
    return tuple(port for port in result if port is not None)
