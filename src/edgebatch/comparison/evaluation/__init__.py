"""The published evaluation again: DFTSP against StB and NoB, and against brute force."""

from edgebatch.comparison.evaluation.observations import Observation, observe
from edgebatch.comparison.evaluation.ordering import Gap, gaps
from edgebatch.comparison.evaluation.search_effort import SearchEffort, measure_search
from edgebatch.comparison.evaluation.studies import (
    Plan,
    Point,
    SearchStudy,
    Setting,
    Study,
    full_plan,
    quick_plan,
)

__all__ = [
    "Gap",
    "Observation",
    "Plan",
    "Point",
    "SearchEffort",
    "SearchStudy",
    "Setting",
    "Study",
    "full_plan",
    "gaps",
    "measure_search",
    "observe",
    "quick_plan",
]
