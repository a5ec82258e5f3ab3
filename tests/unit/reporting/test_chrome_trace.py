"""The timeline of a run, as Chrome and Perfetto read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgebatch.reporting.chrome_trace import chrome_trace
from edgebatch.scenario import Policy
from edgebatch.simulation import RunLog
from toy_scenario import toy

BUSY = (
    "workload.rate_per_second=2",
    "workload.output_tokens=[1, 3]",
    "workload.deadline_seconds=12",
    "node.uplink_seconds=0.5",
    "node.downlink_seconds=0.25",
)


@pytest.fixture(params=["dftsp", "static", "continuous", "continuous-edf:expire"])
def log(request: pytest.FixtureRequest) -> RunLog:
    name, _, expire = request.param.partition(":")
    return toy(*BUSY).run(Policy(name, expire=True if expire else None))


def events(log: RunLog, phase: str) -> list[dict[str, Any]]:
    return [event for event in chrome_trace(log)["traceEvents"] if event["ph"] == phase]


def test_it_is_json_of_known_phases_with_times_from_0_on(log: RunLog) -> None:
    document = json.loads(json.dumps(chrome_trace(log), allow_nan=False))
    for event in document["traceEvents"]:
        assert event["ph"] in ("M", "X", "C")
        assert event["pid"] == 1
        assert event["name"]
        if event["ph"] != "M":
            assert event["ts"] >= 0.0
        if event["ph"] == "X":
            assert event["dur"] >= 0.0


def test_every_batch_is_one_span_of_computing_and_none_overlap(log: RunLog) -> None:
    threads = {event["args"]["name"]: event["tid"] for event in events(log, "M")}
    spans = [event for event in events(log, "X") if event["tid"] == threads["compute"]]
    assert len(spans) == len(log.batches) > 0
    ends = 0.0
    for span in spans:
        assert span["ts"] >= ends - 1e-3  # a nanosecond of rounding
        ends = span["ts"] + span["dur"]


def test_a_batch_is_sent_before_it_is_computed(log: RunLog) -> None:
    spans = events(log, "X")
    for sending, computing in zip(spans[::2], spans[1::2], strict=True):
        assert sending["name"].startswith("uplink")
        assert sending["ts"] + sending["dur"] == pytest.approx(computing["ts"])


def test_counters_are_never_negative_and_end_at_0(log: RunLog) -> None:
    for name in ("waiting", "running"):
        samples = [event for event in events(log, "C") if event["name"] == name]
        counts = [event["args"][name] for event in samples]
        assert min(counts) >= 0
        assert counts[-1] == 0
        times = [event["ts"] for event in samples]
        assert times == sorted(times)


def test_at_most_as_many_run_as_the_greatest_batch_says() -> None:
    log = toy(*BUSY).run(Policy("continuous", batch_cap=2))
    counts = [event["args"]["running"] for event in events(log, "C") if event["name"] == "running"]
    assert max(counts) == max(batch.running for batch in log.batches) == 2


def test_a_run_without_requests_is_an_empty_timeline() -> None:
    scenario = toy("workload.num_requests=", "workload.duration_seconds=1e-9")
    log = scenario.run(Policy("dftsp"))
    assert {event["ph"] for event in chrome_trace(log)["traceEvents"]} == {"M"}
