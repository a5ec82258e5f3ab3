"""Scenarios whose node, model and precisions come from a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import InputError
from edgebatch.problem import Batching
from edgebatch.scenario import Scenario, parse_policy
from toy_profile import toy_profile
from toy_scenario import TOY

WORKLOAD = {**TOY["workload"], "deadline_seconds": 60}


@pytest.fixture
def profile_file(tmp_path: Path) -> str:
    path = tmp_path / "profile.toml"
    toy_profile().save(path)
    return str(path)


def scenario(profile: str, **sections: Any) -> Scenario:
    return Scenario({"profile": profile, "workload": WORKLOAD} | sections)


def test_a_profile_says_what_is_hosted_where(profile_file: str) -> None:
    hosting = scenario(profile_file, scheduler={"batching": "padded"}).hosting
    profile = toy_profile()
    assert hosting.node == profile.node
    assert hosting.model == profile.model
    assert hosting.precisions == profile.precisions
    assert hosting.batching is Batching.PADDED


def test_radio_phases_and_memory_may_stand_beside_it(profile_file: str) -> None:
    node = {"uplink_seconds": 0.5, "downlink_seconds": 0.25, "reserved_bytes": 10.0}
    hosting = scenario(profile_file, node={**node, "memory_bytes": 1e5}).hosting
    assert hosting.node == toy_profile().node.replace(**node, memory_bytes=1e5)


def test_precisions_are_chosen_among_the_profiles(profile_file: str) -> None:
    hosting = scenario(profile_file, precisions={"hosted": ["W8"]}).hosting
    assert [precision.name for precision in hosting.precisions] == ["w8"]


@pytest.mark.parametrize("policy", ["dftsp", "rolling", "continuous", "static", "exact"])
def test_no_more_run_than_the_engine_of_the_profile_runs_at_once(
    tmp_path: Path, policy: str
) -> None:
    def most_running(**node: int) -> int:
        work = {**WORKLOAD, "rate_per_second": 1e6}  # all come at once
        log = scenario(str(path), node=node, workload=work).run(parse_policy(policy))
        return max(batch.running for batch in log.batches)

    path = tmp_path / "profile.toml"
    toy_profile().replace(max_running=3).save(path)
    assert most_running() == 3
    assert most_running(max_running=5) == 5  # the scenario's word outweighs the profile's
    toy_profile().save(path)
    assert most_running() > 5


@pytest.mark.parametrize("policy", ["dftsp", "rolling", "continuous"])
def test_a_run_ends_every_request(profile_file: str, policy: str) -> None:
    log = scenario(profile_file).run(parse_policy(policy))
    assert len(log.ledger) == 40


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"node": {"flops": 1e9}}, "node.flops: must not stand beside profile"),
        ({"node": {"device": "Jetson TX2"}}, "node.device: must not stand beside profile"),
        ({"model": {"name": "BLOOM-3b"}}, "model.name: must not stand beside profile"),
        ({"precisions": {"form": "roofline"}}, "precisions.form: must not stand beside profile"),
        ({"precisions": {"hosted": []}}, "precisions.hosted: must name at least one precision"),
        (
            {"precisions": {"hosted": ["w8", "w9"]}},
            "precisions.hosted[1]: unknown name 'w9'; did you mean 'w8'?",
        ),
        (
            {"precisions": {"hosted": ["w8", "W8"]}},
            "precisions.hosted[1]: must be unique, but 'w8' is there already",
        ),
    ],
)
def test_what_contradicts_a_profile_is_refused(
    profile_file: str, sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        scenario(profile_file, **sections)
    assert str(caught.value).startswith(said)


def test_a_profile_that_cannot_be_read_is_refused_by_its_key() -> None:
    with pytest.raises(InputError, match=r"profile: missing\.toml: cannot be read"):
        scenario("missing.toml")


def test_without_a_profile_the_sections_are_needed() -> None:
    with pytest.raises(InputError, match="node: is missing; expected a table with the node's keys"):
        Scenario({"workload": WORKLOAD})


def test_set_on_the_command_line_it_replaces_what_the_scenario_says(profile_file: str) -> None:
    built_in = Scenario.load("edge-cell", [f"profile={profile_file}", "precisions.hosted=['w8']"])
    node = toy_profile().node.replace(uplink_seconds=0.25, downlink_seconds=0.25)
    assert built_in.hosting.node == node  # the phases are the cell's, not the machine's
    assert [precision.name for precision in built_in.hosting.precisions] == ["w8"]
    assert built_in.workload is not None
    assert built_in.channel is not None


def test_in_a_file_its_path_is_taken_from_the_files_folder(
    tmp_path: Path, profile_file: str
) -> None:
    text = (
        'profile = "profile.toml"\n[workload]\nrate_per_second = 1\nnum_requests = 3\n'
        "prompt_tokens = 4\noutput_tokens = 4\ndeadline_seconds = 9\n"
    )
    (tmp_path / "scenario.toml").write_text(text, encoding="utf-8")
    loaded = Scenario.load(str(tmp_path / "scenario.toml"))
    assert loaded.hosting.precisions == toy_profile().precisions
