"""How Python keeps its memory while it makes a great many objects."""

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["without_collection"]


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """No search for cycles meanwhile; also a decorator.

    A large fabric is millions of objects, none of them in a cycle, that would be walked over again and again: two
    thirds of the time that it takes to load one.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
