"""What is varied, and in which settings; all figures here are ours (formulation §8).

Everything starts from the built-in scenario ``edge-cell`` and is written as changes of its keys.
"""

from __future__ import annotations

from dataclasses import dataclass

SCENARIO = "edge-cell"
MODELS = ("BLOOM-3b", "BLOOM-7b1", "OPT-13b")
PUBLISHED_POLICIES = ("dftsp", "static", "none")

SHORT_BATCHES = "dftsp:longest_batch_seconds=0.5"
"""Ours: DFTSP that keeps batches short, so that the node is free again for who comes next."""

RATE_OF_OTHER_STUDIES = 50
"""Requests per second where something else is varied: about the middle of the range in logarithm,
and more than any policy can serve."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A variant of the scenario.

    Attributes:
        name: for files.
        title: for people.
        changes: scenario keys to change, such as ``node.roofline=true``.
        models: the models that are hosted, one at a time.
    """

    name: str
    title: str
    changes: tuple[str, ...] = ()
    models: tuple[str, ...] = MODELS


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the axis of what is varied.

    Attributes:
        label: its name; a number where the axis is one of numbers.
        changes: scenario keys to change.
    """

    label: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """Throughput against one thing that is varied.

    Attributes:
        name: for files.
        axis: what is varied, with its unit.
        points: the values, in order.
        settings: in which variants of the scenario.
        policies: who is compared.
        is_numeric: whether the labels of the points are numbers.
    """

    name: str
    axis: str
    points: tuple[Point, ...]
    settings: tuple[Setting, ...]
    policies: tuple[str, ...] = PUBLISHED_POLICIES
    is_numeric: bool = True


@dataclass(frozen=True, slots=True)
class SearchStudy:
    """Nodes visited by DFTSP and by brute force on the same decisions.

    Attributes:
        rates_per_second: arrival rates.
        settings: in which variants of the scenario.
        node_limit: where brute force gives up.
        decisions_per_run: how many decisions are looked at, spread evenly over each run.
    """

    rates_per_second: tuple[int, ...]
    settings: tuple[Setting, ...]
    node_limit: int
    decisions_per_run: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be run.

    Attributes:
        studies: the throughput studies.
        search: the search study.
        num_seeds: seeds for each point of the throughput studies.
        duration_seconds: how long requests arrive in each run.
    """

    studies: tuple[Study, ...]
    search: SearchStudy
    num_seeds: int
    duration_seconds: float


PUBLISHED = Setting("published", "published cost form")
ROOFLINE = Setting(
    "roofline",
    "roofline form, 20 × 59.7 GB/s",
    ("node.roofline=true", "precisions.form=roofline"),
)
_IMAGE_BITS = 'workload.prompt_bits={distribution="uniform", low=0.2e6, high=2e6}'
IMAGES = Setting("images", "prompts of 0.2–2 Mbit", (_IMAGE_BITS,))
NARROW_BAND = Setting("narrow-band", "1.4 MHz", ("radio.scenario=umi-1.4MHz",))
NARROW_BAND_IMAGES = Setting(
    "narrow-band-images",
    "prompts of 0.2–2 Mbit over 1.4 MHz",
    (*NARROW_BAND.changes, _IMAGE_BITS),
)
LITTLE_MEMORY = Setting(
    "little-memory",
    "8 GB in all, answers and deadlines × 4, no padding",
    (
        "node.memory_bytes=8e9",
        "workload.output_tokens=[512, 1024, 2048]",
        'workload.deadline_seconds={distribution="uniform", low=2, high=8}',
        "scheduler.batching=ragged",
    ),
    models=("BLOOM-3b", "BLOOM-7b1"),  # the weights of OPT-13b alone are more
)
ANY_QUALITY = Setting("any-quality", "no accuracy demands", ("workload.min_quality=0.0",))


def full_plan() -> Plan:
    """Return the evaluation that the documentation shows."""
    rates = (5, 10, 25, 50, 100, 175, 250)
    settings = (PUBLISHED, ROOFLINE, IMAGES, NARROW_BAND, NARROW_BAND_IMAGES, LITTLE_MEMORY)
    return Plan(
        studies=(
            _arrival_rate(rates, settings),
            _latency_requirement((-0.25, 0.0, 0.5, 1.0, 2.0, 4.0), (PUBLISHED, ROOFLINE)),
            _precision((PUBLISHED, ANY_QUALITY, ROOFLINE)),
        ),
        search=SearchStudy(rates, (PUBLISHED, IMAGES), node_limit=50_000, decisions_per_run=40),
        num_seeds=5,
        duration_seconds=60.0,
    )


def quick_plan() -> Plan:
    """Return a reduced evaluation: fewer points, settings and seeds, short runs."""
    rates = (5, 50, 250)
    return Plan(
        studies=(
            _arrival_rate(rates, (PUBLISHED, ROOFLINE)),
            _latency_requirement((0.0, 2.0), (PUBLISHED,)),
            _precision((PUBLISHED,)),
        ),
        search=SearchStudy(rates, (PUBLISHED,), node_limit=5_000, decisions_per_run=20),
        num_seeds=2,
        duration_seconds=30.0,
    )


def _arrival_rate(rates_per_second: tuple[int, ...], settings: tuple[Setting, ...]) -> Study:
    return Study(
        name="arrival-rate",
        axis="arrivals, requests/s",
        points=tuple(
            Point(f"{rate}", (f"workload.rate_per_second={rate}",)) for rate in rates_per_second
        ),
        settings=settings,
        policies=(*PUBLISHED_POLICIES, SHORT_BATCHES, "sjf"),
    )


def _latency_requirement(shifts_seconds: tuple[float, ...], settings: tuple[Setting, ...]) -> Study:
    """Vary the deadlines U[0.5, 2] s by a shift, which keeps their spread."""
    points = []
    for shift in shifts_seconds:
        low, high = 0.5 + shift, 2.0 + shift
        deadline = f'{{distribution="uniform", low={low}, high={high}}}'
        points.append(Point(f"{(low + high) / 2:g}", (f"workload.deadline_seconds={deadline}",)))
    return _at_one_rate(
        Study("latency-requirement", "mean deadline (± 0.75), s", tuple(points), settings)
    )


def _precision(settings: tuple[Setting, ...]) -> Study:
    """Vary what is hosted: one precision at a time, and three side by side."""
    hosted: dict[str, tuple[str, ...]] = {
        name: (name,) for name in ("w16a16", "w8a16", "w4a16", "w4a16-rtn")
    }
    hosted["w16+w8+w4"] = ("w16a16", "w8a16", "w4a16")
    points = []
    for label, names in hosted.items():
        quoted = ", ".join(f'"{name}"' for name in names)
        points.append(Point(label, (f"precisions.hosted=[{quoted}]",)))
    return _at_one_rate(
        Study("precision", "hosted precision", tuple(points), settings, is_numeric=False)
    )


def _at_one_rate(study: Study) -> Study:
    rate = f"workload.rate_per_second={RATE_OF_OTHER_STUDIES}"
    points = tuple(Point(point.label, (rate, *point.changes)) for point in study.points)
    return Study(study.name, study.axis, points, study.settings, study.policies, study.is_numeric)
