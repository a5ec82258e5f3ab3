"""The problem as immutable, validated data (formulation §2, §5, §7)."""

from edgebatch.problem.model import Model
from edgebatch.problem.node import Node
from edgebatch.problem.precision import Precision
from edgebatch.problem.problem import Batching, Problem
from edgebatch.problem.requests import Committed, InFlight, Request, Requests

__all__ = [
    "Batching",
    "Committed",
    "InFlight",
    "Model",
    "Node",
    "Precision",
    "Problem",
    "Request",
    "Requests",
]
