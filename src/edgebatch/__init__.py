"""Serve the most LLM requests in time on an edge node.

The names below are the public ones. Each is imported when it is first asked for, so that
``edgebatch --help`` need not wait for NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgebatch.calibration.profile import Profile
    from edgebatch.comparison import estimated_capacity, tuned
    from edgebatch.comparison.compare import Comparison, Run, compare
    from edgebatch.cost import Budget, Evaluation, Violation, evaluate, spectrum_shares
    from edgebatch.engines.registry import EngineSpec, make_engine
    from edgebatch.errors import (
        CannotHostError,
        EdgebatchError,
        EngineError,
        InputError,
        MissingExtraError,
        UnknownNameError,
        UnsupportedError,
    )
    from edgebatch.local_models import LocalModel, open_model
    from edgebatch.presets import device_preset, model_preset, precision_preset
    from edgebatch.problem import (
        Batching,
        Committed,
        InFlight,
        Model,
        Node,
        Precision,
        Problem,
        Request,
        Requests,
    )
    from edgebatch.problem.files import dump_problem, load_problem, parse_problem
    from edgebatch.radio import Channel, RadioScenario, radio_scenario
    from edgebatch.scenario import Policy, Scenario, parse_policy, policy_names
    from edgebatch.simulation import Reality, RunLog, Summary, summarise
    from edgebatch.solvers import Result, Solver, Status, Stop
    from edgebatch.solvers.answer import answer
    from edgebatch.solvers.registry import SOLVERS, make_solver, solver_names
    from edgebatch.workload import Arrival, Workload, open_trace

__all__ = [
    "SOLVERS",
    "Arrival",
    "Batching",
    "Budget",
    "CannotHostError",
    "Channel",
    "Committed",
    "Comparison",
    "EdgebatchError",
    "EngineError",
    "EngineSpec",
    "Evaluation",
    "InFlight",
    "InputError",
    "LocalModel",
    "MissingExtraError",
    "Model",
    "Node",
    "Policy",
    "Precision",
    "Problem",
    "Profile",
    "RadioScenario",
    "Reality",
    "Request",
    "Requests",
    "Result",
    "Run",
    "RunLog",
    "Scenario",
    "Solver",
    "Status",
    "Stop",
    "Summary",
    "UnknownNameError",
    "UnsupportedError",
    "Violation",
    "Workload",
    "__version__",
    "answer",
    "compare",
    "device_preset",
    "dump_problem",
    "estimated_capacity",
    "evaluate",
    "load_problem",
    "make_engine",
    "make_solver",
    "model_preset",
    "open_model",
    "open_trace",
    "parse_policy",
    "parse_problem",
    "policy_names",
    "precision_preset",
    "radio_scenario",
    "solver_names",
    "spectrum_shares",
    "summarise",
    "tuned",
]

__version__ = "0.1.0"

_HOMES = {
    "calibration.profile": ("Profile",),
    "comparison": ("Comparison", "Run", "compare", "estimated_capacity", "tuned"),
    "cost": ("Budget", "Evaluation", "Violation", "evaluate", "spectrum_shares"),
    "engines.registry": ("EngineSpec", "make_engine"),
    "errors": (
        "CannotHostError",
        "EdgebatchError",
        "EngineError",
        "InputError",
        "MissingExtraError",
        "UnknownNameError",
        "UnsupportedError",
    ),
    "local_models": ("LocalModel", "open_model"),
    "presets": ("device_preset", "model_preset", "precision_preset"),
    "problem": (
        "Batching",
        "Committed",
        "InFlight",
        "Model",
        "Node",
        "Precision",
        "Problem",
        "Request",
        "Requests",
    ),
    "problem.files": ("dump_problem", "load_problem", "parse_problem"),
    "radio": ("Channel", "RadioScenario", "radio_scenario"),
    "scenario": ("Policy", "Scenario", "parse_policy", "policy_names"),
    "simulation": ("Reality", "RunLog", "Summary", "summarise"),
    "solvers": ("Result", "Solver", "Status", "Stop"),
    "solvers.answer": ("answer",),
    "solvers.registry": ("SOLVERS", "make_solver", "solver_names"),
    "workload": ("Arrival", "Workload", "open_trace"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
