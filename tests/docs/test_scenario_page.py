"""The page on scenarios lists every key of the schema, says what it must be, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from console_sessions import REPOSITORY, prepare
from scenario_keys import page_keys, schema_keys

from edgebatch import InputError, Scenario
from edgebatch.workload import distribution_from_config

PAGE = (REPOSITORY / "docs" / "scenarios.md").read_text(encoding="utf-8")
GETTING_STARTED = (REPOSITORY / "docs" / "getting-started.md").read_text(encoding="utf-8")


def test_every_key_is_listed_with_what_it_must_be() -> None:
    assert sorted(page_keys(PAGE)) == sorted(schema_keys())  # else: tests/docs/update.py


def test_what_it_must_be_is_what_the_error_says() -> None:
    (must_be,) = (key.must_be for key in page_keys(PAGE) if key[:2] == ("node", "count"))
    with pytest.raises(InputError, match=rf"node\.count: must be {must_be}, got 0"):
        Scenario.load("edge-cell", ["node.count=0"])


def distribution_examples() -> list[dict[str, Any]]:
    """Return the tables of the section on distributions."""
    block = re.search(r"```toml\n(\{distribution.*?)```", PAGE, re.DOTALL)
    assert block is not None
    return [tomllib.loads(f"it = {line}")["it"] for line in block[1].splitlines()]


def test_every_distribution_is_shown_and_every_one_shown_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lengths.csv").write_text("prompt_tokens\n128\n256\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    examples = distribution_examples()
    for example in examples:
        distribution_from_config(example, "it")
    with pytest.raises(InputError) as refusal:
        distribution_from_config({}, "it")
    known = refusal.value.problem.partition("one of: ")[2].split(", ")
    assert sorted(example["distribution"] for example in examples) == sorted(known)


def test_the_scenario_of_getting_started_can_be_loaded(tmp_path: Path) -> None:
    prepare(tmp_path, GETTING_STARTED)
    assert Scenario.load(str(tmp_path / "my-node.toml")).seed == 7
