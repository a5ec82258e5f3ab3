"""The page of a sweep's results."""

from __future__ import annotations

import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import InputError
from edgebatch.reporting.html.opening import open_results, page_of, write_page
from edgebatch.reporting.html.page import Chart, Page, Section, render
from edgebatch.reporting.html.sweep.representative import repeat_representatives
from edgebatch.study.axes import Axis
from edgebatch.study.results import RESULTS_FILE, STUDY_FILE, StudyResults
from edgebatch.study.sweep import sweep
from report_inputs import POLICIES, PRECISIONS, RATES, listing, study, swept
from toy_scenario import TOY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("sweep") / "results").folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return page_of(folder)


def charts(of: Page) -> dict[str, Chart]:
    return {chart.title: chart for section in of.sections for chart in section.charts}


def test_the_same_results_give_the_same_bytes(folder: Path) -> None:
    assert render(page_of(folder)) == render(page_of(folder))


def test_lines_go_through_the_means_of_the_results(folder: Path, page: Page) -> None:
    rows = StudyResults.open(folder).rows()
    traces = json.loads(charts(page)["Attainment"].figure)["data"]
    assert [trace["name"] for trace in traces] == list(POLICIES)
    for trace in traces:
        of_policy = [row for row in rows if row["policy"] == trace["name"]]
        means = [
            sum(100 * row["in_time_share"] for row in of_policy if row["rate"] == rate) / 3
            for rate in RATES.values
        ]
        assert trace["x"] == list(RATES.values)
        assert trace["y"] == pytest.approx(means)


def test_every_plot_has_its_figures_in_a_table(page: Page) -> None:
    attainment = charts(page)["Attainment"]
    traces = json.loads(attainment.figure)["data"]
    shown = [[cell.order for cell in row[1:]] for row in attainment.table.rows]
    assert shown == [trace["y"] for trace in traces]
    assert all(chart.table.rows for chart in charts(page).values())
    for chart in charts(page).values():
        assert {len(row) for row in chart.table.rows} == {len(chart.table.headings)}


def test_search_effort_is_of_those_who_search(page: Page) -> None:
    assert [key.name for key in charts(page)["Search effort"].legend] == ["dftsp"]


def test_the_page_asks_no_other_server(folder: Path) -> None:
    text = render(page_of(folder)).decode()
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert re.findall(r"(?:src|href|action)=\"(?!#|data:)[^\"]*", own) == []
    assert "default-src 'none'" in own
    assert "@import" not in own
    assert "url(" not in own


def test_what_it_takes_to_run_it_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from edgebatch.cli.main import app

    text = render(page_of(folder)).decode()
    (tmp_path / "study.toml").write_text(listing(text, "study.toml"), encoding="utf-8")
    words = listing(text, "Run it again").split()
    assert words == ["edgebatch", "sweep", "study.toml", "--output", "results"]
    arguments = ["sweep", str(tmp_path / "study.toml"), "--output", str(tmp_path / "again"), "-j1"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    for name in (STUDY_FILE, RESULTS_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_titles_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    evil = '</script><script>alert(1)</script><img src=x onerror=alert(2)> & "quoted" `code`'
    folder = swept(tmp_path / "r", study(policies=("none",), title=evil)).folder
    text = render(page_of(folder)).decode()
    assert "alert(1)</script>" not in text
    assert "<img src=x" not in text
    assert html.escape(evil, quote=False).split("&amp;")[0] in text


def test_a_choice_of_settings_appears_where_more_than_one_axis_is_varied(tmp_path: Path) -> None:
    folder = swept(tmp_path / "r", study(RATES, PRECISIONS, policies=("none", "rolling"))).folder
    page = page_of(folder)
    assert len(page.settings) == 2
    assert charts(page)["Settings side by side"].setting is None
    settings = {chart.setting for chart in page.sections[1].charts}
    assert settings == set(page.settings)
    text = render(page).decode()
    assert text.count("<option ") == 2


def test_values_that_are_no_numbers_are_places_without_a_line(tmp_path: Path) -> None:
    folder = swept(tmp_path / "r", study(PRECISIONS, policies=("none",))).folder
    [trace] = json.loads(charts(page_of(folder))["Attainment"].figure)["data"]
    assert trace["mode"] == "markers"
    assert len(trace["x"]) == 2


def test_a_study_without_axes_has_one_point(tmp_path: Path) -> None:
    of = study(policies=("none",))
    alone = type(of)(of.scenario, (), of.policies, (3,))
    page = page_of(swept(tmp_path / "r", alone).folder)
    assert page.title == "Results of a sweep"
    assert any("one seed only" in text for text in page.sections[0].paragraphs)
    [trace] = json.loads(charts(page)["Attainment"].figure)["data"]
    assert len(trace["y"]) == 1


def test_several_precisions_get_a_plot_of_who_was_served_in_which(tmp_path: Path) -> None:
    of = study(Axis("precisions.custom", ([PRECISIONS.values[0][0], PRECISIONS.values[1][0]],)))
    found = charts(page_of(swept(tmp_path / "r", of).folder))
    [title] = [title for title in found if title.startswith("Served by precision")]
    assert {key.name for key in found[title].legend} == {"w16", "half"}


def unfinished(folder: Path) -> StudyResults:
    """Return results of which only every other run is there."""
    of = study()
    whole = sweep(of, folder.with_name("whole"), jobs=1)
    results = StudyResults.create(folder, of)
    results.append([row for row in whole.rows() if row["run"] % 2])
    return results


def test_a_sweep_that_was_stopped_is_shown_and_said_to_be_incomplete(tmp_path: Path) -> None:
    page = page_of(unfinished(tmp_path / "r").folder)
    assert dict(page.facts)["Runs"] == "18 of 36"
    assert page.sections[0].paragraphs[0].startswith("These results are not complete: 18 of 36")
    assert render(page)


def test_the_run_over_time_is_the_one_of_the_results(folder: Path) -> None:
    view = open_results(folder)
    for run in repeat_representatives(view, view.settings()[0]):
        assert run.problem == ""
        assert run.log is not None
        assert "at 0.5 requests/s, seed 3" in run.words


def test_a_run_that_comes_out_otherwise_is_not_shown(folder: Path) -> None:
    view = open_results(folder)
    for by_seed in view.rows.values():
        for row in by_seed.values():
            row["in_time"] += 1
    [first, *_] = repeat_representatives(view, view.settings()[0])
    assert first.log is None
    assert "came out otherwise than the results say" in first.problem


def test_results_of_another_version_are_shown_without_making_runs_again(folder: Path) -> None:
    view = open_results(folder)
    view.results.version = "0.0.1"
    [first, *_] = repeat_representatives(view, view.settings()[0])
    assert first.log is None
    assert "0.0.1" in first.problem


def test_a_trace_that_is_gone_or_changed_only_costs_the_run_over_time(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"  # beside the results
    lines = [f"2024-01-01 00:00:{second:02d},1,1" for second in range(0, 40, 2)]
    header = "TIMESTAMP,ContextTokens,GeneratedTokens"
    trace.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    workload = {"trace": str(trace), "deadline_seconds": 4}
    scenario: dict[str, Any] = {**TOY, "workload": workload}
    folder = swept(tmp_path / "r", study(policies=("none",), scenario=scenario)).folder
    assert any(
        section.identity == "timeline" and section.charts for section in page_of(folder).sections
    )
    trace.write_text(f"{header}\n{lines[0]}\n", encoding="utf-8")
    [timeline] = [each for each in page_of(folder).sections if each.identity == "timeline"]
    assert timeline.charts == ()
    assert "has changed since the results were made" in timeline.paragraphs[1]
    trace.unlink()
    [timeline] = [each for each in page_of(folder).sections if each.identity == "timeline"]
    assert "trace.csv: is not here; run this in its folder, or" in timeline.paragraphs[1]


def test_a_page_about_a_trace_has_its_name_and_hash_and_finds_it_by_them(tmp_path: Path) -> None:
    trace = tmp_path / "far" / "away" / "trace.csv"
    trace.parent.mkdir(parents=True)
    lines = [f"2024-01-01 00:00:{second:02d},1,1" for second in range(0, 40, 2)]
    trace.write_text("\n".join(("TIMESTAMP,ContextTokens,GeneratedTokens", *lines, "")))
    scenario: dict[str, Any] = {**TOY, "workload": {"trace": str(trace), "deadline_seconds": 4}}
    folder = swept(tmp_path / "r", study(policies=("none",), scenario=scenario)).folder

    def timeline(of: Page) -> Section:
        return next(each for each in of.sections if each.identity == "timeline")

    assert timeline(page_of(folder)).charts == ()
    found = page_of(folder, trace)
    assert timeline(found).charts
    text = render(found).decode()
    assert "far/away" not in text
    assert hashlib.sha256(trace.read_bytes()).hexdigest() in text
    (tmp_path / "other.csv").write_text("!")
    with pytest.raises(InputError, match=r"--trace: .* is not what the results were made with"):
        page_of(folder, tmp_path / "other.csv")
    trace.rename(tmp_path / "trace.csv")  # beside the results
    assert timeline(page_of(folder)).charts


@pytest.mark.parametrize("left", [(), (STUDY_FILE,)])
def test_half_a_folder_is_refused(folder: Path, tmp_path: Path, left: tuple[str, ...]) -> None:
    half = tmp_path / "half"
    half.mkdir()
    for name in left:
        (half / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InputError, match="no runs yet" if left else "is no results folder"):
        page_of(half)


def test_damaged_results_are_refused(folder: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    (half / STUDY_FILE).write_bytes((folder / STUDY_FILE).read_bytes())
    (half / RESULTS_FILE).write_bytes((folder / RESULTS_FILE).read_bytes()[:1000])
    with pytest.raises(InputError, match=re.escape(RESULTS_FILE)):
        page_of(half)


def test_a_page_that_cannot_be_written_leaves_the_old_one(folder: Path, tmp_path: Path) -> None:
    old = tmp_path / "page.html"
    old.write_text("old", encoding="utf-8")
    with pytest.raises(InputError):
        write_page(tmp_path / "nothing", old)
    assert old.read_text(encoding="utf-8") == "old"
    write_page(folder, old)
    assert old.read_bytes().startswith(b"<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
