"""Where scenarios come from, and how single keys are overridden."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebatch.errors import InputError
from edgebatch.scenario import Scenario, builtin_names, builtin_text, overridden, read_document
from edgebatch.schema import parsed_toml


@pytest.mark.parametrize("name", builtin_names())
def test_a_builtin_scenario_is_its_own_text_and_is_sound(name: str) -> None:
    assert read_document(name) == parsed_toml(builtin_text(name))
    assert Scenario.load(name).seed == 1


def test_paths_in_a_file_start_at_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(
        '[workload]\ntrace = "a.csv"\nlengths = "/data/b.csv"\n'
        'value = {distribution = "empirical", path = "c.csv", column = "v"}\n'
        'arrivals = "poisson"\n',
        encoding="utf-8",
    )
    workload = read_document(str(path))["workload"]
    assert workload["trace"] == str(tmp_path / "a.csv")
    assert workload["lengths"] == "/data/b.csv"
    assert workload["value"]["path"] == str(tmp_path / "c.csv")
    assert workload["arrivals"] == "poisson"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("2", 2),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("inf", float("inf")),
        ("[1, 2]", [1, 2]),
        ('"7"', "7"),
        ("Jetson TX2", "Jetson TX2"),
        ("x10", "x10"),
        ("b1", "b1"),
        ("0x10", 16),
        ("a=b", "a=b"),
        ("[", "["),
        pytest.param("[" * 100_000, "[" * 100_000, id="too deep"),
        pytest.param("9" * 5000, "9" * 5000, id="too many digits"),
    ],
)
def test_a_value_is_toml_or_else_plain_text(value: str, meant: object) -> None:
    assert overridden({}, [f"key={value}"]) == {"key": meant}


def test_settings_apply_in_order_and_leave_the_document_alone() -> None:
    document = {"a": {"b": 1}}
    assert overridden(document, ["a.b=2", "a.c=3", "a.b=", "d.e=4"]) == {
        "a": {"c": 3},
        "d": {"e": 4},
    }
    assert document == {"a": {"b": 1}}


@pytest.mark.parametrize("setting", ["", "a", "=1", "a..b=1", ".a=1", "a b=1", "a[0]=1"])
def test_what_is_no_setting_is_refused_with_an_example(setting: str) -> None:
    with pytest.raises(InputError, match=r"--set: must be like workload\.rate_per_second=2"):
        overridden({}, [setting])


def test_a_setting_cannot_go_through_a_number() -> None:
    with pytest.raises(InputError, match=r"--set: a\.b is not a table"):
        overridden({"a": {"b": 1}}, ["a.b.c=2"])


def test_a_misspelt_builtin_is_told_from_a_missing_file() -> None:
    with pytest.raises(InputError, match="scenario: unknown name 'edgecell'; did you mean"):
        read_document("edgecell")
    with pytest.raises(InputError, match=r"edgecell\.toml: cannot be read: No such file"):
        read_document("edgecell.toml")
