"""Answers to packets of VMs that are too big for the underlay: what Path MTU Discovery needs (RFC 1191, RFC 8201)."""

from .limit import Limit
from .service import TooBigService

__all__ = ["Limit", "TooBigService"]
