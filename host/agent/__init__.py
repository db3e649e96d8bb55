"""What keeps TEPs at what the store says, all the time."""

from .agent import Agent
from .metrics import Metrics
from .report import Report, reports, what_is_missing
from .supervisor import Supervisor

__all__ = ["Agent", "Metrics", "Report", "Supervisor", "reports", "what_is_missing"]
