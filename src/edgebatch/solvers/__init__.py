"""Who forms the next batch: one protocol, one result, many solvers (formulation §6)."""

from edgebatch.solvers.base import Result, Solver, Status, Stop
from edgebatch.solvers.brute_force import BruteForce
from edgebatch.solvers.dftsp import Dftsp
from edgebatch.solvers.filling import Filling
from edgebatch.solvers.lists import Edf, Fcfs, Greedy, NoBatching, Sjf, StaticBatching

__all__ = [
    "BruteForce",
    "Dftsp",
    "Edf",
    "Fcfs",
    "Filling",
    "Greedy",
    "NoBatching",
    "Result",
    "Sjf",
    "Solver",
    "StaticBatching",
    "Status",
    "Stop",
]
