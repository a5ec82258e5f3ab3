"""Profile files: written whole, read back the same, wrong ones refused with the path."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from edgebatch.calibration.profile import FORMAT, Profile
from edgebatch.calibration.profile_schema import Errors
from edgebatch.errors import InputError
from toy_profile import toy_profile


def changed(*keys: str | int, value: Any) -> dict[str, Any]:
    """The toy's document with one value set, or removed for None."""
    document = copy.deepcopy(toy_profile().document())
    *path, last = keys
    place: Any = document
    for key in path:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


def test_a_profile_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    toy_profile().save(path)
    assert Profile.load(path) == toy_profile()
    assert [each.name for each in tmp_path.iterdir()] == ["profile.toml"]


def test_a_file_says_its_format_and_leaves_out_what_was_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    toy_profile().replace(quality=(), memory=(), samples=(), start_seconds={}).save(path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("format = 1\n")
    assert "[[quality]]" not in text
    assert "published" not in text
    assert "start_seconds" not in text
    assert Profile.load(path).quality == ()


def test_a_file_says_how_long_the_engine_takes_to_start_with_each_precision() -> None:
    document = toy_profile().document()
    assert document["start_seconds"] == {"w16": 1.5, "w8": 0.9}
    del document["start_seconds"]
    assert Profile.from_document(document) == toy_profile().replace(start_seconds={})


def test_two_measurements_against_each_other_in_older_files_count_half() -> None:
    document = toy_profile().document()
    document["fit"]["noise_floor"] = {"count": 30, "median": 0.1, "p95": 0.3, "worst": 0.5}
    assert Profile.from_document(document) == toy_profile()
    del document["fit"]["perfect_model"]
    halves = Errors(count=30, median=0.05, p95=0.15, worst=0.25)
    assert Profile.from_document(document).fit.perfect_model == halves
    assert "noise_floor" not in Profile.from_document(document).document()["fit"]


def test_how_many_the_engine_runs_at_once_stands_beside_the_nodes_figures(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    toy_profile().replace(max_running=8).save(path)
    assert Profile.load(path) == toy_profile().replace(max_running=8)
    assert Profile.load(path).document()["node"]["max_running"] == 8
    assert "max_running" not in toy_profile().document()["node"]


def test_attention_factors_are_read_only_where_they_are_given(tmp_path: Path) -> None:
    first, second = Profile.from_document(toy_profile().document()).precisions
    assert (first.prefill_attention_factor, first.decode_attention_factor) == (1.5, 0.0)
    assert (second.prefill_attention_factor, second.decode_attention_factor) == (None, None)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (changed("format", value=FORMAT + 1), "format: is 2, but this version reads up to 1"),
        (changed("format", value=0), "format: must be"),
        (changed("format", value="1"), "format: must be"),
        (changed("format", value=None), "format: is missing"),
        (changed("node", value=None), "node: is missing"),
        (changed("node", "flops", value=0.0), "node.flops: must be a finite number above 0"),
        (
            changed("node", "max_running", value=0),
            "node.max_running: must be a whole number of at least 1",
        ),
        (changed("precisions", value=[]), "precisions: must be a list of at least one precision"),
        (
            changed("precisions", 1, "step_overhead_seconds", value=-1.0),
            "precisions[1].step_overhead_seconds: must be a finite number of at least 0",
        ),
        (
            changed("precisions", 1, "name", value="w16"),
            "precisions[1].name: must be unique, but 'w16' is there already",
        ),
        (
            changed("source", "machine", "cores", value=0),
            "source.machine.cores: must be a whole number of at least 1",
        ),
        (changed("source", "engin", value="x"), "source.engin: unknown name 'engin'; did you mean"),
        (changed("quality_measure", value="taste"), "quality_measure: must be 'perplexity-ratio'"),
        (changed("quality", 0, "ratio", value=1.5), "quality[0].ratio: must be a number from 0"),
        (changed("fit", "held_out", "p95", value="x"), "fit.held_out.p95: must be a finite number"),
        (
            changed("start_seconds", "w8", value=-1.0),
            "start_seconds.w8: must be a finite number of at least 0, got -1.0",
        ),
        (changed("samples", 0, "kind", value="x"), "samples[0].kind: must be 'prefill', 'decode'"),
    ],
)
def test_a_wrong_document_is_refused_with_the_path(document: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Profile.from_document(document)
    assert str(caught.value).startswith(said)


def test_errors_of_a_file_begin_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    with pytest.raises(InputError, match=r"profile\.toml: cannot be read: No such file"):
        Profile.load(path)
    path.write_text("format = 7\nnew_things = true\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"profile\.toml: format: is 7.*; upgrade edgebatch"):
        Profile.load(path)
