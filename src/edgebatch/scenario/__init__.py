"""Scenarios: TOML files that say all a run depends on, and the policies to run them under."""

from edgebatch.scenario.capacity import estimated_capacity
from edgebatch.scenario.document import builtin_names, builtin_text, overridden, read_document
from edgebatch.scenario.policy import ROLLING, Policy, parse_policy, policy_names
from edgebatch.scenario.scenario import Scenario

__all__ = [
    "ROLLING",
    "Policy",
    "Scenario",
    "builtin_names",
    "builtin_text",
    "estimated_capacity",
    "overridden",
    "parse_policy",
    "policy_names",
    "read_document",
]
