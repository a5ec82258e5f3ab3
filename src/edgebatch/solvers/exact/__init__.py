"""Our own solver: the proven optimum inside a serving loop."""

from edgebatch.solvers.exact.solver import Exact, warm_up

__all__ = ["Exact", "warm_up"]
