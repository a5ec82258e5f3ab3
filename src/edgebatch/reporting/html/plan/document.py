"""A plan's file as reports read it: what they need of it, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from edgebatch.errors import InputError
from edgebatch.schema import Section, decoded, validated

FORMAT = 1
"""The format of plans that is read."""

Number = Annotated[float, Field(description="a finite number")]
Whole = Annotated[int, Field(description="a whole number")]
Text = Annotated[str, Field(description="a text")]
Names = Annotated[list[str], Field(description="a list of names")]
Numbers = Annotated[dict[str, float], Field(description="a table of numbers")]
Table = Annotated[dict[str, Any], Field(description="a table")]


class _Part(Section):
    """A part of which reports show some keys; a plan may have more."""

    model_config = ConfigDict(extra="ignore")


class Share(_Part):
    """A part of requests with its interval."""

    mean: Number
    low: Number
    high: Number
    runs: Whole
    requests: Whole


class Point(_Part):
    """A rate that was looked at."""

    rate_per_second: Number
    share: Annotated[Share, Field(description="a share")]
    verdict: Text


class Rate(_Part):
    """The sustainable rate with its interval."""

    rate_per_second: Number
    low_per_second: Number
    high_per_second: Number | None


class Energy(_Part):
    """Energy for each request in time, between two bounds."""

    power_watts: Number
    computing_joules: Number
    always_on_joules: Number


class Operation(_Part):
    """How a candidate fares at one rate."""

    rate_per_second: Number
    share: Annotated[Share, Field(description="a share")]
    busy_share: Number
    batch_mean: Number
    kv_peak_bytes: Number
    spare_bytes: Number
    e2e_seconds: Numbers | None
    ttft_seconds: Numbers | None
    energy: Energy | None


class Binding(_Part):
    """What binds first."""

    budget: Text | None
    gains: Numbers


class Feasibility(_Part):
    """What holds at any load."""

    node_bytes: Number
    weights_bytes: Number
    reserved_bytes: Number
    missing_bytes: Number
    ceiling: Number
    hopeless: Numbers


class Quality(_Part):
    """How good a precision is."""

    precision: Text
    quality: Number
    source: Text | None


class Candidate(_Part):
    """A device, a model and the precisions hosted on it."""

    rank: Whole | None
    tied_with_first: Annotated[bool, Field(description="true or false")]
    device: Text
    model: Text
    precisions: Names
    status: Text
    reason: Text | None
    sustainable: Rate | None
    feasibility: Annotated[Feasibility, Field(description="a table")]
    quality: Annotated[list[Quality], Field(description="a list of tables")]
    binding: Binding | None
    at_sustainable: Operation | None
    at_rate: Operation | None
    points: Annotated[list[Point], Field(description="a list of points")]
    scenario: Table

    @property
    def precision(self) -> str:
        """Its precisions in one word."""
        return "+".join(self.precisions)

    @property
    def machine(self) -> str:
        """Its device and model."""
        return f"{self.device}, {self.model}"

    @property
    def label(self) -> str:
        """What it is called."""
        return f"{self.machine}, {self.precision}"


class Question(_Part):
    """What was asked of every candidate."""

    target: Number
    policy: Text
    rate_per_second: Number | None
    most_runs: Whole


class PlanDocument(_Part):
    """A whole plan."""

    edgebatch: Text
    question: Annotated[Question, Field(description="a table")]
    assumptions: Annotated[list[str], Field(description="a list of texts")]
    recommendation: Text
    scenario: Table
    candidates: Annotated[
        list[Candidate], Field(min_length=1, description="a list of at least one candidate")
    ]


def read_plan(path: Path) -> PlanDocument:
    """Return the plan in a file.

    Raises:
        InputError: the file cannot be read, or holds no plan that this version reads.
    """
    try:
        return _checked(_parsed(decoded(path.read_bytes())))
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from error
    except InputError as error:
        raise error.within(str(path)) from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            "",
            f"not valid JSON: {error}; expected what edgebatch plan --output wrote, or the folder "
            "of a sweep",
        ) from error


def _checked(document: Any) -> PlanDocument:
    if not isinstance(document, dict) or document.get("kind") != "plan":
        raise InputError("", "is no plan; expected what edgebatch plan --output wrote")
    if document.get("format") != FORMAT:
        raise InputError(
            "format", f"is {document.get('format')!r}, but this version reads {FORMAT}"
        )
    return validated(document, PlanDocument)
