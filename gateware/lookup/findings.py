"""What the tables found out about a frame."""

from amaranth.lib import data
from amaranth.utils import ceil_log2

from ..params import Params
from ..tables.mac_entry import MacEntry
from .tables import TenantFlags

__all__ = ["Findings", "Resolution"]


class Resolution(data.StructLayout):
    """What the tables know of one MAC address of a frame."""

    def __init__(self, params: Params):
        super().__init__(
            {
                "mac": 48,
                "tenant_hit": 1,
                "tenant": params.tenant_bits,
                "hit": 1,  # (tenant, mac) has an entry
                "entry": MacEntry,
            }
        )


class Findings(data.StructLayout):
    """Everything a decision is made of, all of one frame."""

    def __init__(self, params: Params):
        super().__init__(
            {
                "port": range(max(2, params.ports)),  # it comes in on
                "vid": 12,
                "other_vid": 12,  # of the VM that has ``vid``, the same if it has one
                "source": Resolution(params),
                "destination": Resolution(params),
                "flags": TenantFlags,  # of the source's tenant
                "network": 24,  # of the destination's tenant
                "rewritten": 1,  # the destination is a group address of its tenant
                "own_list": 12,  # of that tenant's VMs
                "rule": 1,  # a rule lets the source's tenant send to the destination's
                "tep_hit": 1,  # the outer source is a known TEP
                "tep": ceil_log2(params.teps),
            }
        )
