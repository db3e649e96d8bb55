"""The key ``core`` of a TEP in a document, written for a build."""

from collections.abc import Mapping

from opentep.gateware.params import Params

__all__ = ["core_section"]

_COUNTED_IN_PORTS = ("access_ports", "fabric_ports")


def core_section(params: Mapping[str, int]) -> dict[str, int]:
    """What ``core`` has to say of a build with ``params``: all that is not the default, but for the ports, which
    the document lists."""
    default = Params().as_dict()
    return {
        name: value
        for name, value in params.items()
        if name not in _COUNTED_IN_PORTS and value != default[name]
    }
