"""The page of a plan."""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import InputError
from edgebatch.reporting.html.opening import page_of
from edgebatch.reporting.html.page import render
from edgebatch.reporting.html.plan.document import read_plan
from edgebatch.reporting.html.plan.origin import rerun_command
from edgebatch.study.candidates import Choice
from edgebatch.study.plan import plan as planning
from report_inputs import listing, planned
from toy_profile import toy_profile
from toy_scenario import TOY


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    planned(path)
    return path


def changed(file: Path, folder: Path, **changes: Any) -> Path:
    document = copy.deepcopy(json.loads(file.read_text(encoding="utf-8")))
    path = folder / "changed.json"
    path.write_text(json.dumps(document | changes), encoding="utf-8")
    return path


def test_the_recommendation_and_what_does_not_fit_come_first(file: Path) -> None:
    plan, page = read_plan(file), page_of(file)
    assert page.sections[0].paragraphs[0] == plan.recommendation
    assert len(page.sections[0].points) == 1
    assert "does not fit" in page.sections[0].points[0]


def test_the_ranking_has_every_candidate_with_its_interval(file: Path) -> None:
    plan, page = read_plan(file), page_of(file)
    [ranking] = [section for section in page.sections if section.identity == "ranking"]
    [table] = ranking.tables
    assert len(table.rows) == len(plan.candidates) == 2
    first = dict(zip(table.headings, table.rows[0], strict=True))
    found = plan.candidates[0].sustainable
    assert found is not None
    assert first["Rate, 1/s"].order == found.rate_per_second
    assert first["Low, 1/s"].order == found.low_per_second
    unfit = dict(zip(table.headings, table.rows[1], strict=True))
    assert unfit["Rank"].text == unfit["Rate, 1/s"].text == "–"
    missing = plan.candidates[1].feasibility.missing_bytes
    assert unfit["Missing, GB"].order == pytest.approx(missing / 1e9)


def test_every_rate_of_the_search_is_drawn_with_its_interval(file: Path) -> None:
    points = read_plan(file).candidates[0].points
    [search] = [section for section in page_of(file).sections if section.identity == "search"]
    [trace] = json.loads(search.charts[0].figure)["data"]
    assert trace["x"] == [point.rate_per_second for point in points]
    assert trace["y"] == [100 * point.share.mean for point in points]
    highs = [y + more for y, more in zip(trace["y"], trace["error_y"]["array"], strict=True)]
    assert highs == pytest.approx([100 * point.share.high for point in points])
    assert trace["text"] == [point.verdict for point in points]


def test_memory_adds_up_to_the_node_where_the_model_fits(file: Path) -> None:
    plan = read_plan(file)
    [plots] = [section for section in page_of(file).sections if section.identity == "plots"]
    [memory] = [chart for chart in plots.charts if chart.title == "Memory"]
    drawn = json.loads(memory.figure)
    assert drawn["layout"]["yaxis"]["range"] == [1.6, -0.6]  # two rows, without room above
    bars = [trace for trace in drawn["data"] if trace["type"] == "bar"]
    whole = sum(trace["x"][0] for trace in bars)
    assert whole == pytest.approx(plan.candidates[0].feasibility.node_bytes / 1e9)
    assert sum(trace["x"][1] for trace in bars) > plan.candidates[1].feasibility.node_bytes / 1e9


def test_the_same_plan_gives_the_same_bytes(file: Path) -> None:
    assert render(page_of(file)) == render(page_of(file))


def test_the_command_asks_the_same_question(file: Path) -> None:
    words = shlex.split(rerun_command(read_plan(file)))
    assert words[:3] == ["edgebatch", "plan", "scenario.toml"]
    pairs = list(zip(words[3::2], words[4::2], strict=True))
    assert [value for name, value in pairs if name == "--precision"] == ["w16", "w-heavy"]
    assert dict(pairs) | {"--precision": ""} == {
        "--precision": "",
        "--target": "0.6",
        "--policy": "fcfs",
        "--rate": "0.1",
        "--runs": "4",
        "--output": "plan.json",
    }
    page = render(page_of(file)).decode()
    assert listing(page, "Run it again") == rerun_command(read_plan(file))


def test_the_command_for_a_profile_takes_it_from_the_scenario(tmp_path: Path) -> None:
    profile = toy_profile()
    profile.save(tmp_path / "p.toml")
    found = planning(
        TOY,
        Choice(precisions=("w8",), profile=str(tmp_path / "p.toml")),
        target=0.5,
        policy="fcfs",
        most_runs=4,
    )
    (tmp_path / "plan.json").write_text(json.dumps(found.to_dict()), encoding="utf-8")
    kept = read_plan(tmp_path / "plan.json")
    assert kept.scenario["profile"] == "p.toml"
    assert rerun_command(kept) == (
        "edgebatch plan scenario.toml --precision w8 --target 0.5 --policy fcfs --runs 4 "
        "--output plan.json"
    )
    assert str(tmp_path) not in (tmp_path / "plan.json").read_text(encoding="utf-8")


def test_of_many_candidates_one_search_is_chosen_and_failures_are_a_table(
    file: Path, tmp_path: Path
) -> None:
    able, unfit = json.loads(file.read_text(encoding="utf-8"))["candidates"]
    many = [{**each, "device": f"{number}"} for number in range(9) for each in (able, unfit)]
    page = page_of(changed(file, tmp_path, candidates=many))
    assert list(page.settings) == [f"{number}, {able['model']}" for number in range(9)]
    [search] = [section for section in page.sections if section.identity == "search"]
    assert [chart.setting for chart in search.charts] == list(page.settings)
    assert page.sections[0].points == ()
    assert len(page.sections[0].tables[0].rows) == 9


def test_infinity_is_spelt_for_toml_again(file: Path, tmp_path: Path) -> None:
    scenario = {"workload": {"deadline_seconds": ["inf", 4]}}
    page = render(page_of(changed(file, tmp_path, scenario=scenario))).decode()
    assert "    inf,\n    4,\n" in listing(page, "scenario.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "study"}, "is no plan; expected what edgebatch plan --output wrote"),
        ({"format": 99}, "format: is 99, but this version reads 1"),
        ({"candidates": []}, "candidates: must be a list of at least one candidate"),
        ({"question": {"target": "high"}}, "question.target: must be a finite number"),
    ],
)
def test_what_is_no_plan_is_refused(
    file: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = changed(file, tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        page_of(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"[1, 2]", "is no plan"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        page_of(path)


def test_a_file_of_a_sweep_is_refused_with_its_folder(tmp_path: Path) -> None:
    for name in ("study.toml", "results.parquet"):
        (tmp_path / name).write_bytes(b"PAR1")
        with pytest.raises(InputError, match=f"is a part of a sweep; give its folder, {tmp_path}"):
            page_of(tmp_path / name)


def test_what_a_later_version_adds_does_no_harm(file: Path, tmp_path: Path) -> None:
    assert page_of(changed(file, tmp_path, news={"of": "tomorrow"})).title.startswith("Plan")
