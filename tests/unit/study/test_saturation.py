"""The search for the sustainable rate."""

from __future__ import annotations

from collections.abc import Generator
from statistics import fmean
from typing import Any

import pytest
from scipy import stats

from edgebatch.errors import InputError
from edgebatch.study.replications import Replication, RunLength, scenario_text
from edgebatch.study.saturation import (
    Counts,
    Point,
    Probe,
    Saturation,
    decided_point,
    sustainable_rate,
)
from edgebatch.study.shares import STUDENT_975, Verdict, measured_share
from toy_scenario import toy

LENGTH = RunLength(warm_up=50, counted=300, most_runs=16)
TARGET = 0.9


def replication(rate: float, number: int, policy: str = "continuous-edf") -> tuple[int, int]:
    """Return the counts of a run in which every request takes a second and may wait for three."""
    figures = Replication(scenario_text(toy().document), policy, rate, number, LENGTH)()
    return figures.in_time, figures.requests


def simulated(probe: Probe) -> Counts:
    numbers = range(probe.first, probe.first + probe.runs)
    return [replication(probe.rate_per_second, number) for number in numbers]


def carried_out(search: Generator[Probe, Counts, Any], counts: Any) -> tuple[Any, list[Probe]]:
    """Return what a search returns, and what it asked for."""
    probes = [next(search)]
    while True:
        try:
            probes.append(search.send(counts(probes[-1])))
        except StopIteration as end:
            return end.value, probes


def step(at: float) -> Any:
    """Return counts of a node that serves everyone below a rate, and nine of ten above."""
    return lambda probe: [(1000 if probe.rate_per_second < at else 900, 1000)] * probe.runs


def test_quantiles_are_those_of_student() -> None:
    for runs, quantile in STUDENT_975.items():
        assert quantile == pytest.approx(stats.t.ppf(0.975, runs - 1), rel=1e-5)


def test_the_interval_is_students_where_runs_differ() -> None:
    # shares 0.8, 0.9, 0.9, 1.0: mean 0.9, variance 0.02/3, half 3.18245·√(0.02/3/4) = 0.1299
    share = measured_share([(80, 100), (90, 100), (90, 100), (100, 100)])
    assert share.mean == pytest.approx(0.9)
    assert share.low == pytest.approx(0.9 - 0.12992, abs=1e-4)
    assert share.high == 1.0


def test_no_failure_among_few_is_no_proof_of_none() -> None:
    # Wilson's lower limit for N of N is N/(N + z²): 400/(400 + 3.8414) = 0.99049
    share = measured_share([(100, 100)] * 4)
    assert share.low == pytest.approx(400 / (400 + 1.95996**2))
    assert share.verdict(0.99) is Verdict.ABOVE
    assert share.verdict(0.995) is Verdict.UNDECIDED


def test_a_number_of_runs_without_a_quantile_is_refused() -> None:
    with pytest.raises(InputError, match="must be one of 4, 8, 16, 32"):
        measured_share([(1, 1)] * 5)


def test_a_clear_point_takes_four_runs_and_an_unclear_one_more() -> None:
    point, probes = carried_out(decided_point(2.0, 0.95), step(at=1.0))
    assert (point.verdict, probes) == (Verdict.BELOW, [Probe(2.0, 0, 4)])
    # 0.98 ± 0.03 excludes 0.95 with eight runs, not with four: 3.18245·0.02/√3 = 0.0367
    shares = [960, 1000, 980, 980] * 2
    unclear = lambda probe: [(shares[k], 1000) for k in range(probe.runs)]  # noqa: E731
    point, probes = carried_out(decided_point(2.0, 0.962, 16), unclear)
    assert probes == [Probe(2.0, 0, 4), Probe(2.0, 4, 4)]
    assert point.verdict is Verdict.ABOVE


def test_a_share_just_at_the_target_stays_undecided() -> None:
    counts = lambda probe: [(940, 1000), (960, 1000)] * (probe.runs // 2)  # noqa: E731
    point, probes = carried_out(decided_point(2.0, 0.95, 16), counts)
    assert point.verdict is Verdict.UNDECIDED
    assert len(probes) == 1  # more runs promise nothing


@pytest.mark.parametrize("guess", [0.01, 0.9, 1.0, 1.3, 40.0])
def test_a_step_is_found_from_anywhere(guess: float) -> None:
    found, probes = carried_out(sustainable_rate(guess, 0.95), step(at=1.0))
    assert found.low_per_second < 1.0 <= found.high_per_second
    assert found.high_per_second <= 1.05 * found.low_per_second
    assert found.low_per_second <= found.rate_per_second <= found.high_per_second
    assert len(probes) <= 16


def test_a_node_that_never_serves_enough_has_no_sustainable_rate() -> None:
    found, _ = carried_out(sustainable_rate(1.0, 0.95), step(at=0.0))
    assert (found.rate_per_second, found.low_per_second) == (None, None)
    assert all(point.verdict is Verdict.BELOW for point in found.points)


def test_a_node_without_an_end_in_sight_is_said_to_have_none() -> None:
    found, _ = carried_out(sustainable_rate(1.0, 0.95), step(at=1e9))
    assert found.high_per_second is None
    assert found.rate_per_second == found.low_per_second > 1000.0


def test_the_bracket_agrees_with_a_fine_grid() -> None:
    """The grid has 40 runs a rate; none of them is among those of the search."""
    found: Saturation
    found, _ = carried_out(sustainable_rate(0.3, TARGET, 16), simulated)
    assert found.low_per_second is not None
    assert found.high_per_second is not None
    assert found.high_per_second < 1.3 * found.low_per_second
    grid = [0.5 * 1.04**k for k in range(20)]  # 0.5 to 1.05 per second
    shares = [
        fmean(in_time / of for in_time, of in (replication(rate, 100 + k) for k in range(40)))
        for rate in grid
    ]
    crossing = max(k for k, share in enumerate(shares) if share >= TARGET)
    assert 0 < crossing < len(grid) - 1
    assert grid[crossing + 1] >= found.low_per_second
    assert grid[crossing] <= found.high_per_second
    assert found.rate_per_second == pytest.approx(grid[crossing], rel=0.1)


def test_points_are_kept_in_order_with_what_was_decided() -> None:
    found: Saturation
    found, probes = carried_out(sustainable_rate(0.3, TARGET), simulated)
    rates = [point.rate_per_second for point in found.points]
    assert rates == sorted(set(rates))
    assert set(rates) == {probe.rate_per_second for probe in probes}
    point: Point
    for point in found.points:
        assert point.verdict is point.share.verdict(TARGET)


def test_every_rate_meets_the_same_requests() -> None:
    text = scenario_text(toy("workload.prompt_tokens=[1, 2, 3]").document)
    slow, fast = (Replication(text, "continuous", rate, 0, LENGTH)() for rate in (1e-6, 2e-6))
    assert slow.e2e_seconds == pytest.approx(fast.e2e_seconds)  # all alone: only lengths matter
    other = Replication(text, "continuous", 1e-6, 1, LENGTH)()
    assert other.e2e_seconds != pytest.approx(slow.e2e_seconds)
