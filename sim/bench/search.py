"""Binary searches of the benchmarks."""

from collections.abc import Callable

__all__ = ["highest_share", "longest"]


def highest_share(works: Callable[[float], bool], resolution: float) -> float:
    """The highest share from 0 to 1, to within ``resolution``, at which ``works``; 1 is tried first."""
    if works(1.0):
        return 1.0
    low, high = 0.0, 1.0
    while high - low > resolution:
        middle = (low + high) / 2
        if works(middle):
            low = middle
        else:
            high = middle
    return low


def longest(works: Callable[[int], bool], most: int) -> int:
    """The greatest number from 0 to ``most`` at which ``works``; ``most`` is tried first."""
    if works(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        if works(middle):
            low = middle
        else:
            high = middle
    return low
