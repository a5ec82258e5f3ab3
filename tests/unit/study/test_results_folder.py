"""The folder that holds the results of a study."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import EdgebatchError, InputError
from edgebatch.scenario import overridden
from edgebatch.study.axes import Axis, parse_axis
from edgebatch.study.definition import MOST_RUNS, Study
from edgebatch.study.places import located, named
from edgebatch.study.results import RESULTS_FILE, STUDY_FILE, StudyResults
from edgebatch.study.rows import column_types
from edgebatch.study.sweep import sweep
from toy_profile import toy_profile
from toy_scenario import TOY
from toy_study import contents, made, toy_study

REPLAYED = {
    **TOY,
    "workload": {"trace": "", "deadline_seconds": 4},
}


def replaying(trace: Path, *rows: str) -> Study:
    trace.write_text("\n".join(("arrived_at,num_prefill_tokens,num_decode_tokens", *rows, "")))
    document = overridden(REPLAYED, [f"workload.trace='{trace}'"])
    return Study(document, (parse_axis("rate=1"),), ("none",), (1,))


def test_rows_come_back_in_the_studys_order_whatever_order_they_came_in(tmp_path: Path) -> None:
    study = toy_study()
    rows = made(study)
    results = StudyResults.create(tmp_path / "new" / "folder", study)
    results.append(rows[5:])
    results.append(rows[:3])
    again = StudyResults.open(tmp_path / "new" / "folder", study)
    assert again.rows() == rows[:3] + rows[5:]
    assert [run.number for run in again.missing_runs()] == [3, 4]
    assert (again.num_done, again.is_complete) == (6, False)
    assert list(again.rows()[0]) == list(column_types(study))


def test_a_run_counts_once_however_often_it_is_added(tmp_path: Path) -> None:
    study = toy_study()
    rows = made(study)
    results = StudyResults.create(tmp_path, study)
    results.append(rows[:2])
    results.append(rows[:4])
    results.append([])
    assert StudyResults.open(tmp_path).rows() == rows[:4]


def test_files_of_a_complete_study_do_not_depend_on_its_parts(tmp_path: Path) -> None:
    study = toy_study()
    rows = made(study)
    at_once = StudyResults.create(tmp_path / "a", study)
    at_once.append(rows)
    at_once.finish()
    one_by_one = StudyResults.create(tmp_path / "b", study)
    for row in reversed(rows):
        one_by_one.append([row])
    assert not StudyResults.open(tmp_path / "b").is_finished
    one_by_one.finish()
    assert StudyResults.open(tmp_path / "b").is_finished
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert set(contents(tmp_path / "a")) == {STUDY_FILE, RESULTS_FILE}


def test_an_incomplete_study_is_not_finished(tmp_path: Path) -> None:
    study = toy_study()
    results = StudyResults.create(tmp_path, study)
    results.append(made(study)[:7])
    results.finish()
    assert not (tmp_path / RESULTS_FILE).exists()


def test_many_parts_become_one_on_the_way(tmp_path: Path) -> None:
    study = toy_study(seeds=tuple(range(30)))  # 2 rates × 2 policies × 30 seeds = 120 runs
    rows = made(study)
    results = StudyResults.create(tmp_path, study)
    for row in rows:
        results.append([row])
    assert len(list(tmp_path.iterdir())) < 70
    again = StudyResults.open(tmp_path, study)
    assert again.rows() == rows
    again.append(rows)
    again.finish()
    assert again.rows() == rows


def test_a_part_that_outlived_the_whole_file_is_taken_in_again(tmp_path: Path) -> None:
    study = toy_study()
    results = StudyResults.create(tmp_path, study)
    results.append(made(study))
    part = next(tmp_path.glob("part-*"))
    content = part.read_bytes()
    results.finish()
    whole = contents(tmp_path)
    part.write_bytes(content)  # as if killed between writing the one and removing the other
    again = StudyResults.open(tmp_path, study)
    assert again.num_done == 8
    again.finish()
    assert contents(tmp_path) == whole


def test_what_a_killed_process_left_is_ignored_and_removed(tmp_path: Path) -> None:
    study = toy_study()
    (tmp_path / f".{STUDY_FILE}.1.partial").write_bytes(b"half")
    results = StudyResults.create(tmp_path, study)
    (tmp_path / ".part-000000.parquet.1.partial").write_bytes(b"half")
    assert StudyResults.open(tmp_path, study).rows() == []
    with results.locked():
        assert list(contents(tmp_path)) == [STUDY_FILE]


def test_only_one_process_may_add(tmp_path: Path) -> None:
    results = StudyResults.create(tmp_path, toy_study())
    with results.locked():
        other = StudyResults.open(tmp_path)
        with pytest.raises(EdgebatchError, match="another process"), other.locked():
            pass
    with other.locked():
        pass


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (toy_study(policies=("none", "sjf")), "its policies are none, edf, not none, sjf"),
        (toy_study(seeds=(3, 4, 5)), "its seeds are 3, 4, not 3, 4, 5"),
        (
            toy_study(axes=(parse_axis("load=1,2"),)),
            "its axes are workload.rate_per_second, not load",
        ),
        (
            toy_study(axes=(parse_axis("workload.rate_per_second=0.5,3"),)),
            "its axis workload.rate_per_second has 0.5, 2, not 0.5, 3",
        ),
        (toy_study("node.flops=8"), "its scenario.node.flops is 16.0, not 8"),
        (toy_study("reality.noise=0.1"), "its scenario.reality is not set, not"),
    ],
)
def test_results_of_another_study_are_refused_with_the_difference(
    tmp_path: Path, asked: Study, said: str
) -> None:
    StudyResults.create(tmp_path, toy_study())
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        StudyResults.open(tmp_path, asked)
    assert "give another --output, or remove the folder" in str(refused.value)


def test_another_title_is_no_other_study(tmp_path: Path) -> None:
    StudyResults.create(tmp_path, toy_study(title="a", question="why?"))
    kept = StudyResults.open(tmp_path, toy_study(title="b")).study
    assert (kept.title, kept.question) == ("a", "why?")


def test_results_of_another_version_can_be_read_but_not_added_to(tmp_path: Path) -> None:
    study = toy_study()
    StudyResults.create(tmp_path, study).append(made(study))
    path = tmp_path / STUDY_FILE
    path.write_text(re.sub(r'edgebatch = ".*"', 'edgebatch = "0.0.9"', path.read_text()))
    old = StudyResults.open(tmp_path)
    assert (old.version, old.num_done) == ("0.0.9", 8)
    with pytest.raises(InputError, match=r"made by edgebatch 0\.0\.9, and this is"):
        StudyResults.open(tmp_path, study)


def test_a_row_that_another_version_made_is_refused(tmp_path: Path) -> None:
    study = toy_study()
    results = StudyResults.create(tmp_path, study)
    with pytest.raises(InputError, match=r"one was made by 0\.0\.9; install the same version"):
        results.append([{**made(study)[0], "edgebatch": "0.0.9"}])


def test_a_study_that_was_changed_after_its_runs_is_refused(tmp_path: Path) -> None:
    StudyResults.create(tmp_path, toy_study())
    path = tmp_path / STUDY_FILE
    path.write_text(path.read_text().replace("flops = 16.0", "flops = 17.0"))
    with pytest.raises(InputError, match="was changed after its runs"):
        StudyResults.open(tmp_path)


def test_a_file_that_was_written_into_a_study_afterwards_is_a_change(tmp_path: Path) -> None:
    StudyResults.create(tmp_path / "results", replaying(tmp_path / "t.csv", "0,1,1", "2,1,1"))
    path = tmp_path / "results" / STUDY_FILE
    text = path.read_text()
    assert "deadline_seconds = 4\n" in text
    path.write_text(text.replace("deadline_seconds = 4", 'deadline_seconds = 4\nlengths = "u.csv"'))
    with pytest.raises(InputError, match="was changed after its runs"):
        StudyResults.open(tmp_path / "results")


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "format: is missing"), ("format = 9", "format: is 9"), ("x = [", "not valid TOML")],
)
def test_a_study_file_that_is_none_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / STUDY_FILE).write_text(text)
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        StudyResults.open(tmp_path)
    assert str(refused.value).startswith(str(tmp_path / STUDY_FILE))


def test_folders_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no study\.toml"):
        StudyResults.open(tmp_path)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"'thesis\.tex' is in it"):
        StudyResults.create(tmp_path, toy_study())
    with pytest.raises(InputError, match="cannot hold results: File exists"):
        StudyResults.create(tmp_path / "thesis.tex", toy_study())


def test_damaged_and_foreign_parts_are_refused_by_name(tmp_path: Path) -> None:
    study, other = toy_study(), toy_study("node.flops=8")
    results = StudyResults.create(tmp_path / "a", study)
    results.append(made(study)[:4])
    [part] = (tmp_path / "a").glob("part-*")
    StudyResults.create(tmp_path / "b", other).append(made(other)[:4])
    [foreign] = (tmp_path / "b").glob("part-*")
    content = part.read_bytes()
    part.write_bytes(content[:-100])
    with pytest.raises(InputError, match=r"part-000000\.parquet: cannot be read or is damaged"):
        StudyResults.open(tmp_path / "a")
    part.write_bytes(foreign.read_bytes())
    with pytest.raises(InputError, match=r"part-000000\.parquet: belongs to another study"):
        StudyResults.open(tmp_path / "a")
    part.unlink()
    assert StudyResults.open(tmp_path / "a").num_done == 0


def test_a_trace_counts_by_its_content_not_by_its_place(tmp_path: Path) -> None:
    study = replaying(tmp_path / "a.csv", "0,1,1", "1,1,1")
    StudyResults.create(tmp_path / "results", study)
    moved = replaying(tmp_path / "b.csv", "0,1,1", "1,1,1")
    assert made(moved) == made(study)
    StudyResults.open(tmp_path / "results", moved)
    other = replaying(tmp_path / "a.csv", "0,1,1", "2,1,1")
    with pytest.raises(InputError, match="a file that it reads has another content"):
        StudyResults.open(tmp_path / "results", other)


def over_traces(*traces: Path) -> Study:
    """Return a study of several traces, the first of one request, the second of two and so on."""
    for count, trace in enumerate(traces, start=1):
        trace.parent.mkdir(parents=True, exist_ok=True)
        study = replaying(trace, *(f"{second},1,1" for second in range(2, 3 + count)))
    axis = Axis("workload.trace", tuple(map(str, traces)))
    return replace(study, axes=(axis,), files={})


def test_results_name_files_without_the_folders_of_the_machine(tmp_path: Path) -> None:
    folders = []
    for machine in ("a", "b"):
        place = tmp_path / machine / "somewhere"
        study = over_traces(place / "t1.csv", place / "t2.csv")
        folders.append(sweep(study, tmp_path / f"results-{machine}").folder)
    assert contents(folders[0]) == contents(folders[1])
    kept = StudyResults.open(folders[0])
    assert list(kept.study.files) == ["t1.csv", "t2.csv"]
    assert [row["workload.trace"] for row in kept.rows()] == ["t1.csv", "t2.csv"]
    assert [row["requests"] for row in kept.rows()] == [2, 3]
    assert not [text for text in contents(folders[0]).values() if b"somewhere" in text]
    sweep(study, folders[0])  # goes on, although its files have other paths now


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    study = over_traces(tmp_path / "2023" / "t.csv", tmp_path / "2024" / "t.csv")
    results = sweep(study, tmp_path / "results")
    assert list(StudyResults.open(results.folder).study.files) == ["2023/t.csv", "2024/t.csv"]


def test_the_files_of_results_are_found_by_name_and_content(tmp_path: Path) -> None:
    study = named(replaying(tmp_path / "t.csv", "0,1,1", "1,1,1"))
    again = located(study, [tmp_path / "nowhere", tmp_path])
    assert again.scenario["workload"]["trace"] == str(tmp_path / "t.csv")
    assert again.hash == study.hash
    moved = (tmp_path / "t.csv").rename(tmp_path / "u.csv")
    with pytest.raises(InputError, match=r"t\.csv: is not here; run this in its folder, or"):
        located(study, [tmp_path])
    assert located(study, [tmp_path], moved).scenario["workload"]["trace"] == str(moved)
    replaying(tmp_path / "t.csv", "0,1,1", "2,1,1")
    with pytest.raises(InputError, match=r"t\.csv: has changed since the results were made"):
        located(study, [tmp_path])
    with pytest.raises(InputError, match=r"--trace: .*t\.csv is not what the results were made"):
        located(study, [tmp_path], tmp_path / "t.csv")


def test_a_profile_counts_by_its_content_and_goes_by_its_name(tmp_path: Path) -> None:
    toy_profile().save(tmp_path / "p.toml")
    workload = {**TOY["workload"], "num_requests": 5}
    document = {"profile": str(tmp_path / "p.toml"), "workload": workload}
    study = Study(document, (), ("none",), (1,))
    results = sweep(study, tmp_path / "results")
    assert list(StudyResults.open(results.folder).study.files) == ["p.toml"]
    assert str(tmp_path).encode() not in contents(results.folder)[STUDY_FILE]
    assert located(named(study), [tmp_path]).scenario["profile"] == str(tmp_path / "p.toml")
    profile = toy_profile()
    slower = replace(profile, node=profile.node.replace(flops=profile.node.flops / 2))
    slower.save(tmp_path / "p.toml")
    with pytest.raises(InputError, match="a file that it reads has another content"):
        StudyResults.open(results.folder, Study(document, (), ("none",), (1,)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policies": ()}, "policies: must have at least one entry"),
        ({"policies": ("edf", "edf")}, "policies: 'edf' is given twice"),
        ({"seeds": ()}, "seeds: must have at least one entry"),
        ({"axes": (parse_axis("load=1"), parse_axis("rate=1"))}, "load and rate"),
        ({"axes": (parse_axis("load=1"), parse_axis("load=2"))}, "axes: 'load' is given twice"),
        ({"seeds": tuple(range(MOST_RUNS))}, "axes: make 4000000 runs"),
        ({"scenario": {"workload": {"trace": "nowhere.csv"}}}, "nowhere.csv: cannot be read"),
        ({"scenario": {"workload": {"trace": "a\0b"}}}, "no file has a NUL in its name"),
    ],
)
def test_a_study_that_cannot_be_run_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        toy_study(**changes)
    assert said in str(refused.value)
