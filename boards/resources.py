"""Resources of `amaranth_boards` as a TEP needs them."""

from amaranth.build import Attrs, Resource, Subsignal

__all__ = ["with_attrs", "without"]


def without(resource: Resource, *names: str) -> Resource:
    """``resource`` but for the members ``names``."""
    ios = (sub for sub in resource.ios if sub.name not in names)
    return Resource(resource.name, resource.number, *ios, resource.attrs)


def with_attrs(resource: Resource, *names: str, **attrs: str) -> Resource:
    """``resource`` with ``attrs`` on its members ``names``, beside those they have."""
    missing = set(names) - {sub.name for sub in resource.ios}
    if missing:
        raise ValueError(f"{resource.name} {resource.number} has no {', '.join(sorted(missing))}")
    ios = (
        Subsignal(sub.name, *sub.ios, sub.attrs, Attrs(**attrs), *([sub.clock] if sub.clock else []))
        if sub.name in names
        else sub
        for sub in resource.ios
    )
    return Resource(resource.name, resource.number, *ios, resource.attrs)
