"""The clients with which the gateway is measured, and what is made of what they are told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from misbehaving_server import MisbehavingServer

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks" / "gateway"
sys.path.append(str(SCRIPTS))

from figures import FIRST_COME, ROLLING, figures, table  # noqa: E402
from load import read_told, write_plan  # noqa: E402
from plans import plan_requests, scenario_document, unhurried  # noqa: E402
from streams import Asked, Told  # noqa: E402


def told_of(folder: Path, plan: Sequence[Asked], url: str, *options: str) -> list[Told]:
    write_plan(folder / "plan.jsonl", plan)
    paths = [str(folder / "plan.jsonl"), "--results", str(folder / "told.csv")]
    result = subprocess.run(
        [sys.executable, str(SCRIPTS / "load.py"), *paths, "--url", url, *options],
        capture_output=True,
        check=True,
        timeout=300,
    )
    assert result.stderr == b""
    assert json.loads(result.stdout)["cpu_seconds"] > 0.0
    return read_told(folder / "told.csv")


def asked(prompt: str, *, at: float = 0.0, deadline: float = 30.0) -> Asked:
    return Asked(at, deadline, {"prompt": prompt, "stream": True})


def test_each_way_in_which_an_answer_can_end_is_told_apart(tmp_path: Path) -> None:
    plan = [
        asked("count:2+3"),
        asked("split:é"),
        asked("status:429"),
        asked("status:500"),
        asked("cut:ab"),
        asked("vanish:a"),
        asked("fault:no"),
        asked("stall:a", deadline=0.5),
    ]
    with MisbehavingServer().serving() as url:
        told = told_of(tmp_path, plan, f"{url}/completions")
    ends = ["whole", "whole", "refused", "refused", "cut", "cut", "cut", "hung up"]
    assert [each.end for each in told] == ends
    assert [each.status for each in told] == [200, 200, 429, 500, 200, 200, 200, 200]
    assert told[0].tokens == 5
    assert told[2].retry_after_seconds == 7.0
    assert all(each.first_seconds >= each.sent_seconds for each in told)
    # three times its deadline of 0.5 s, less what passed until the clock was read
    assert told[7].took_seconds > 1.0


def test_requests_are_sent_when_they_are_due_whatever_became_of_others(tmp_path: Path) -> None:
    plan = [asked("drip:30"), asked("say:a", at=0.1), asked("say:a", at=0.2)]
    with MisbehavingServer().serving() as url:
        told = told_of(tmp_path, plan, f"{url}/completions")
    assert [each.due_seconds for each in told] == [0.0, 0.1, 0.2]
    # an event loop's timers may ring a little early
    assert all(each.sent_seconds > each.due_seconds - 0.01 for each in told)
    # thirty pieces, 50 ms apart: the others are asked before that is over
    assert max(each.sent_seconds for each in told) < told[0].last_seconds


def test_clients_of_a_closed_loop_ask_one_request_after_the_other(tmp_path: Path) -> None:
    plan = [asked("say:abc")] * 5
    with MisbehavingServer().serving() as url:
        told = told_of(tmp_path, plan, f"{url}/completions", "--clients", "1")
    assert [each.end for each in told] == ["whole"] * 5
    assert all(after.sent_seconds >= before.last_seconds for before, after in pairwise(told))


def test_nobody_at_the_address_is_an_end_too(tmp_path: Path) -> None:
    with MisbehavingServer().serving() as url:
        pass
    [told] = told_of(tmp_path, [asked("say:a")], f"{url}/completions")
    assert (told.end, told.status, told.is_in_time) == ("unreachable", 0, False)


def one(end: str, took: float, status: int = 200, predicted_ms: float = -1.0) -> Told:
    return Told(0, 1.0, 1.0, 1.0, 1.0 + took, 2.0, end, status, 1, predicted_ms=predicted_ms)


def test_all_requests_sent_count_and_promises_are_judged_by_the_clients() -> None:
    told = [
        one("whole", 1.0, predicted_ms=1100.0),  # 10 % too much
        one("whole", 1.0, predicted_ms=800.0),  # 20 % too little
        one("whole", 4.0, predicted_ms=1200.0),  # 70 % too little, and late: 2 s were allowed
        one("refused", 0.1, status=429),
        one("hung up", 6.0, status=0),
        one("cut", 1.0),
    ]
    row = figures(told)
    assert (row["requests"], row["in_time"], row["late"], row["refused"]) == (6, 2, 1, 1)
    assert (row["hung_up"], row["cut"]) == (1, 1)
    # admitted: three whole ones and the one that was cut off
    assert (row["admitted"], row["admitted_late"]) == (4, 2)
    assert row["median_error"] == pytest.approx(0.2)
    assert row["bias"] == pytest.approx(-0.2)


def test_the_table_has_a_line_for_each_load_that_both_systems_have_seen() -> None:
    place = {"arrivals": "poisson", "load": "2", "load_cpu": "0.05", "gateway_cpu": "0.2"}
    first = {**place, "system": FIRST_COME, **figures([one("whole", 1.0), one("whole", 3.0)])}
    ours = {**place, "system": ROLLING, **figures([one("whole", 1.0, predicted_ms=1e3)] * 2)}
    alone = {**first, "load": "4"}
    [_, _, line] = table([first, ours, alone])
    # one of two, two of two; predictions exact, nobody late, nobody refused
    expected = (
        "poisson | 2× | 2 | 50.0 % | 100.0 % | 2.00 | 0.0 % | 0.00 % | 0.0 % | 5.0 % | 20.0 %"
    )
    assert line == f"| {expected} |"


def test_another_load_is_the_same_requests_at_another_speed() -> None:
    document = scenario_document("tiny-chat", ["workload.prompt_tokens=10"], seed=3)
    slow, fast = (
        plan_requests(document, "bursty", rate, 100.0 / rate, characters_per_token=2.5)
        for rate in (10.0, 20.0)
    )
    assert len(slow) == len(fast) > 0
    for one_asked, other in zip(slow, fast, strict=True):
        assert one_asked.body == other.body
        assert one_asked.at_seconds == pytest.approx(2.0 * other.at_seconds)
    # ten tokens of 2.5 letters each
    assert {len(each.body["prompt"]) for each in slow} == {25}
    assert {each.deadline_seconds for each in slow} == {0.5, 1.0, 2.0, 4.0}
    assert {each.body["slo_e2e_ms"] for each in unhurried(slow)} == {600_000.0}
