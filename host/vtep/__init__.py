"""The fabric as a hardware VTEP, for controllers that speak OVSDB's `hardware_vtep` schema (vtep(5))."""

from .adapter import Adapter

__all__ = ["Adapter"]
