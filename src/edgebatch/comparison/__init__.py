"""Policies side by side: the same requests, a range of loads, several seeds, tuned knobs."""

from edgebatch.comparison.compare import Comparison, Run, compare
from edgebatch.comparison.tune import tuned
from edgebatch.scenario import estimated_capacity

__all__ = ["Comparison", "Run", "compare", "estimated_capacity", "tuned"]
