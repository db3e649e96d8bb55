"""Golden model: one TEP in pure Python, written from the specification."""

from .tep import TepModel

__all__ = ["TepModel"]
