"""``edgebatch scenario``."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_process import edgebatch, refusal
from edgebatch.scenario import Scenario, builtin_names, builtin_text


def test_the_default_is_that_of_compare_and_simulate() -> None:
    assert edgebatch("scenario").stdout.decode() == builtin_text("edge-cell")


@pytest.mark.parametrize("name", builtin_names())
def test_what_is_printed_can_be_used_as_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(edgebatch("scenario", name).stdout)
    assert Scenario.load(str(path)).document == Scenario.load(name).document
    short = ("-s", "workload.num_requests=5", "--json")
    assert edgebatch("simulate", path, *short).stdout == edgebatch("simulate", name, *short).stdout


def test_every_section_is_there_with_comments() -> None:
    text = builtin_text("edge-cell")
    for section in ("node", "model", "precisions", "radio", "workload", "scheduler", "compare"):
        assert f"\n[{section}]" in text
    assert "# [reality]" in text


def test_names_are_listed_one_a_line() -> None:
    assert edgebatch("scenario", "--list").stdout.decode().splitlines() == builtin_names()


def test_an_unknown_one_is_refused_with_the_nearest() -> None:
    assert "NAME: unknown name 'orin-cat'; did you mean 'orin-chat'?" in refusal(
        "scenario", "orin-cat"
    )
