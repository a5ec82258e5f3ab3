"""A run's log second by second."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgebatch.reporting.html.sweep.over_time import busy_shares, counts_over_time
from edgebatch.reporting.html.sweep.timeline import MOST_BATCHES, timeline_chart
from edgebatch.scenario import Scenario, parse_policy
from toy_scenario import toy


def test_counts_change_where_intervals_begin_and_end() -> None:
    # [0, 2], [1, 3], and one that never ended
    times, counts = counts_over_time(np.array([0.0, 1.0, 2.5]), np.array([2.0, 3.0, math.nan]))
    assert times.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert counts.tolist() == [1.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize("policy", ["fcfs", "rolling", "continuous"])
def test_busy_parts_add_up_to_the_time_in_which_the_node_computed(policy: str) -> None:
    log = toy("workload.output_tokens=3").run(parse_policy(policy))
    edges, shares = busy_shares(log)
    assert len(edges) == len(shares) == 100
    assert shares.max() <= 1.0 + 1e-9
    assert shares.sum() * log.span_seconds / 100 == pytest.approx(log.busy_seconds)


def test_batches_are_drawn_where_they_computed() -> None:
    log = toy("workload.num_requests=3", "node.downlink_seconds=0.5").run(parse_policy("none"))
    chart = timeline_chart(log, "a run", is_continuous=False, downlink_seconds=0.5)
    assert chart is not None
    lanes = {trace["y"][0]: trace for trace in json.loads(chart.figure)["data"] if trace["y"]}
    starts = [batch.started_at_seconds for batch in log.batches]
    assert lanes["compute"]["base"] == pytest.approx(starts)
    assert lanes["compute"]["x"] == pytest.approx([1.0] * len(log.batches))  # a prompt takes 1 s
    assert lanes["downlink"]["x"] == [0.5] * len(log.batches)
    assert [row[3].text for row in chart.table.rows] == ["1"] * len(log.batches)


def test_several_servers_have_a_lane_each() -> None:
    servers = [{"precision": "w16", "count": 2}]
    given = Scenario({**toy("workload.output_tokens=3").document, "servers": servers})
    log = given.run(parse_policy("rolling"))
    chart = timeline_chart(log, "a run", is_continuous=True, downlink_seconds=0.0)
    assert chart is not None
    lanes = {trace["y"][0] for trace in json.loads(chart.figure)["data"] if trace.get("base")}
    assert lanes == {"prefills 1", "prefills 2"}
    edges, shares = busy_shares(log)
    busy_seconds = 2.0 * shares.sum() * log.span_seconds / len(edges)
    assert busy_seconds == pytest.approx(log.busy_seconds)


def test_where_requests_join_a_running_batch_there_are_no_phases() -> None:
    log = toy("node.downlink_seconds=0.5").run(parse_policy("rolling"))
    chart = timeline_chart(log, "a run", is_continuous=True, downlink_seconds=0.5)
    assert chart is not None
    lanes = {trace["y"][0] for trace in json.loads(chart.figure)["data"] if trace["type"] == "bar"}
    assert lanes == {"prefills"}


def test_of_a_long_run_the_middle_is_drawn_and_that_is_said() -> None:
    scenario = toy("workload.num_requests=1500", "workload.rate_per_second=0.2")
    log = scenario.run(parse_policy("none"))
    assert len(log.batches) > MOST_BATCHES
    chart = timeline_chart(log, "a run", is_continuous=False, downlink_seconds=0.0)
    assert chart is not None
    assert f"the middle {MOST_BATCHES} of {len(log.batches)}" in chart.note
    bars = [trace for trace in json.loads(chart.figure)["data"] if trace["type"] == "bar"]
    assert sum(len(trace["x"]) for trace in bars if trace["name"] == "w16") == MOST_BATCHES


def test_a_run_without_batches_has_no_timeline() -> None:
    log = toy("workload.min_quality=1", "workload.deadline_seconds=0.5").run(parse_policy("none"))
    assert timeline_chart(log, "a run", is_continuous=False, downlink_seconds=0.0) is None
