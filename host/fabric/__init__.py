"""The fabric document: ``fabric.yaml`` with everything in it checked and everything left out allocated.

::

    fabric, source = load(Path("fabric.yaml"))            # checked; raises FabricError
    fabric = allocate(fabric, state, source)              # complete
    fabric.vms["web1"].mac, fabric.vms["web1"].vlan

:func:`opentep.host.document.open_document` does all of it in one call.
"""

from .allocate import allocate
from .errors import FabricError, Problem
from .load import load, loads
from .model import Fabric, Group, Link, NextHop, Port, Tenant, Tep, Vm, VSwitch
from .state import State, StateError, former_state
from .validate import load_schema

__all__ = [
    "Fabric",
    "FabricError",
    "Group",
    "Link",
    "NextHop",
    "Port",
    "Problem",
    "State",
    "StateError",
    "Tenant",
    "Tep",
    "VSwitch",
    "Vm",
    "allocate",
    "former_state",
    "load",
    "load_schema",
    "loads",
]
