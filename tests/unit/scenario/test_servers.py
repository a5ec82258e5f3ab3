"""Scenarios with several servers behind one queue."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli_process import edgebatch, refusal
from edgebatch.errors import CannotHostError, InputError
from edgebatch.scenario import Scenario, estimated_capacity, parse_policy
from edgebatch.simulation import summarise
from edgebatch.study.digests import file_paths, with_absolute_paths
from toy_profile import toy_profile

WORKLOAD = {
    "rate_per_second": 3000.0,
    "num_requests": 400,
    "prompt_tokens": 20,
    "output_tokens": 20,
    "deadline_seconds": 0.1,
    "min_quality": [0.0, 0.995],
}


def saved(tmp_path: Path, name: str = "profile", **node: Any) -> str:
    profile = toy_profile()
    path = tmp_path / f"{name}.toml"
    replace(profile, node=profile.node.replace(**node)).save(path)
    return str(path)


def scenario(path: str, *servers: dict[str, Any], **more: Any) -> Scenario:
    return Scenario({"profile": path, "workload": WORKLOAD, "servers": list(servers), **more})


def test_each_server_hosts_its_precision_on_a_node_of_its_own(tmp_path: Path) -> None:
    small = saved(tmp_path, "small", memory_bytes=5e5)
    given = scenario(
        saved(tmp_path), {"precision": "w16"}, {"precision": "w8", "profile": small, "count": 2}
    )
    assert [each.precisions[0].name for each in given.servers] == ["w16", "w8", "w8"]
    assert [each.node.memory_bytes for each in given.servers] == [1e6, 5e5, 5e5]
    assert len(given.sources) == 3
    rolling = parse_policy("rolling")
    assert [each.name for each in given.precisions_run(rolling)] == ["w16", "w8"]
    log = given.run(rolling)
    assert log.num_nodes == 3
    assert {batch.node for batch in log.batches} == {0, 1, 2}
    assert log.precisions == ("w16", "w8")


def test_more_servers_carry_more_and_their_capacity_is_the_sum(tmp_path: Path) -> None:
    path = saved(tmp_path)
    one, three = (scenario(path, {"precision": "w16", "count": count}) for count in (1, 3))
    assert estimated_capacity(three) == pytest.approx(3.0 * estimated_capacity(one))
    rate = f"workload.rate_per_second={40.0 * estimated_capacity(one)}"
    more = "workload.num_requests=4000"
    few, many = (
        summarise(each.with_settings(rate, more).run(parse_policy("rolling")))
        for each in (one, three)
    )
    assert many.in_time > few.in_time
    assert many.use.compute <= 1.0


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        ([{}], r"^servers\[0\].precision: is missing; give one of w16, w8$"),
        ([{"precision": "w9"}], r"^servers\[0\].precision: unknown name 'w9'"),
        (
            [{"precision": "w8", "profile": "none.toml"}],
            r"^servers\[0\]: profile: none.toml: cannot be read",
        ),
        ([{"precision": "w8", "count": 0}], r"^servers\[0\].count: must be a whole number from 1"),
        ([{"precison": "w8"}], r"^servers\[0\].precison: unknown name"),
        ([], r"^servers: must be a list of tables"),
    ],
)
def test_wrong_servers_are_told_where_they_stand(
    tmp_path: Path, servers: list[dict[str, Any]], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        scenario(saved(tmp_path), *servers)


def test_what_does_not_go_with_servers_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path)
    both = scenario(path, {"precision": "w8"}, {"precision": "w16"})
    with pytest.raises(InputError, match=r"^servers: go with policies under which .* dftsp"):
        both.run(parse_policy("dftsp"))
    with pytest.raises(InputError, match=r"^servers: must all serve 'w8'"):
        both.run(parse_policy("rolling:precision=w8"))
    with pytest.raises(InputError, match=r"^servers: must not be there: one engine"):
        both.step_costs(parse_policy("rolling"))
    with pytest.raises(InputError, match=r"^node.device: must not stand beside profile"):
        Scenario({**both.document, "profile": path, "node": {"device": "none"}})
    with pytest.raises(CannotHostError):
        scenario(saved(tmp_path, "tiny", memory_bytes=10.0), {"precision": "w8"})


def test_files_of_servers_are_among_those_that_a_study_depends_on(tmp_path: Path) -> None:
    own = saved(tmp_path, "own")
    document = {"workload": WORKLOAD, "servers": [{"precision": "w8", "profile": own}]}
    assert file_paths([document]) == [own]
    found = with_absolute_paths({**document, "servers": [{"profile": "own.toml"}]})
    assert found["servers"] == [{"profile": str(Path("own.toml").resolve())}]


def test_a_file_is_simulated_compared_and_refused_where_one_engine_is_driven(
    tmp_path: Path,
) -> None:
    saved(tmp_path, "own")
    path = tmp_path / "scenario.toml"
    path.write_text(
        '[[servers]]\nprecision = "w8"\nprofile = "own.toml"\ncount = 2\n'
        '[[servers]]\nprecision = "w16"\nprofile = "own.toml"\n'
        "[workload]\nrate_per_second = 50\nnum_requests = 60\nprompt_tokens = 20\n"
        "output_tokens = 20\ndeadline_seconds = 0.5\n",
        encoding="utf-8",
    )
    trace = tmp_path / "trace.json"
    told = edgebatch("simulate", path, "--policy", "rolling", "--chrome-trace", trace)
    assert "rolling on 3 servers" in told.stdout.decode()
    threads = {
        event["tid"] for event in json.loads(trace.read_text())["traceEvents"] if "tid" in event
    }
    assert len(threads) == 4
    asked = ("--policy", "rolling", "--policy", "continuous", "--load", "1", "--tune")
    assert "continuous" in edgebatch("compare", path, *asked).stdout.decode()
    assert "servers: must not be there" in refusal("run", path, "--engine", "simulated")
    assert "servers: must not be there" in refusal("plan", path)
    assert "servers: go with policies" in refusal("compare", path, "--policy", "dftsp")
