"""The flat public namespace: nothing enters or leaves it by accident."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import edgebatch

PUBLIC_NAMES = [
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


def test_the_public_names_are_these() -> None:
    assert edgebatch.__all__ == PUBLIC_NAMES


@pytest.mark.parametrize("name", [name for name in PUBLIC_NAMES if name != "__version__"])
def test_a_public_name_is_the_thing_of_that_name_and_no_module(name: str) -> None:
    thing = getattr(edgebatch, name)
    assert name in dir(edgebatch)
    if name != "SOLVERS":  # a dict, which does not know its name
        assert thing.__name__ == name
        assert getattr(importlib.import_module(thing.__module__), name) is thing


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    misspelt = "Probelm"
    with pytest.raises(AttributeError, match="module 'edgebatch' has no attribute 'Probelm'"):
        getattr(edgebatch, misspelt)


def test_importing_the_package_loads_neither_numpy_nor_pydantic() -> None:
    code = "import edgebatch, sys; print(sorted({'numpy', 'pydantic'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout == b"[]\n"
