"""Where the members of replica lists stand in the member table of one port."""

from collections.abc import Iterable

__all__ = ["MemberSpace"]


class MemberSpace:
    """Free and used runs of a member table with ``size`` entries.

    What a list gives up is not given out again: the port may still be working through it. A new space, made
    from what the TEP holds then, has it free again.
    """

    def __init__(self, size: int, used: Iterable[tuple[int, int]]):
        """``used``: runs as (base, length)."""
        self.size = size
        self._free = [(0, size)]
        for base, length in used:
            self._take(base, length)

    def _take(self, base: int, length: int) -> None:
        end = base + length
        pieces = []
        for start, count in self._free:
            stop = start + count
            if stop <= base or end <= start:
                pieces.append((start, count))
                continue
            if start < base:
                pieces.append((start, base - start))
            if end < stop:
                pieces.append((end, stop - end))
        self._free = pieces

    @property
    def free(self) -> int:
        """Free entries in all."""
        return sum(count for _, count in self._free)

    def allocate(self, length: int) -> int | None:
        """Base of a run of ``length`` entries, ``None`` if no free run is long enough.

        The shortest run that fits is used, to keep the long ones long.
        """
        fitting = [(count, start) for start, count in self._free if count >= length]
        if not fitting:
            return None
        _, base = min(fitting)
        self._take(base, length)
        return base
