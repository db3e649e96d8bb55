"""What keeps TEPs at what the store says, all the time."""

from .agent import Agent
from .counted import Counted, counted
from .learned import learned
from .metrics import Metrics
from .report import Report, reports, what_is_missing, why_no_room
from .supervisor import Supervisor

__all__ = [
    "Agent",
    "Counted",
    "Metrics",
    "Report",
    "Supervisor",
    "counted",
    "learned",
    "reports",
    "what_is_missing",
    "why_no_room",
]
