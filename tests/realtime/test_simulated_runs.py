"""A run on the simulated engine beside the simulation of the same scenario."""

from __future__ import annotations

import pytest

from edgebatch.engines.registry import EngineSpec, make_engine
from edgebatch.scenario import Scenario, parse_policy
from edgebatch.scenario.real_run import RealRun, run_on_engine
from quick_clock import run_quickly
from toy_runs import records
from toy_scenario import toy

OVERHEAD = "node.batch_overhead_seconds=0.5"


def on_simulated_engine(scenario: Scenario, policy: str) -> RealRun:
    chosen = parse_policy(policy)
    engine = make_engine(EngineSpec("simulated", costs=scenario.step_costs(chosen)))
    return run_quickly(run_on_engine(scenario, chosen, engine, "some text"))


@pytest.mark.parametrize("policy", ["dftsp", "static"])
def test_answers_come_when_the_simulation_says_with_an_overhead_for_each_batch(
    policy: str,
) -> None:
    scenario = toy(OVERHEAD)
    believed = records(scenario.run(parse_policy(policy)))
    real = records(on_simulated_engine(scenario, policy).log)
    assert [each.outcome for each in real] == [each.outcome for each in believed]
    for ours, theirs in zip(real, believed, strict=True):
        assert ours.finished_at_seconds == pytest.approx(
            theirs.finished_at_seconds, abs=0.005, nan_ok=True
        )


def test_the_work_of_a_continuous_policy_takes_what_is_believed_without_overheads() -> None:
    run = on_simulated_engine(toy(OVERHEAD), "continuous")
    assert run.pace == pytest.approx(1.0, abs=0.01)
