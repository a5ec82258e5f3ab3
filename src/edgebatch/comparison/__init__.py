"""Policies side by side: the same requests, a range of loads, several seeds, tuned knobs."""

from edgebatch.comparison.capacity import estimated_capacity
from edgebatch.comparison.compare import Comparison, Run, compare
from edgebatch.comparison.tune import tuned

__all__ = ["Comparison", "Run", "compare", "estimated_capacity", "tuned"]
