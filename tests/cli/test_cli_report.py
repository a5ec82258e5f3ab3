"""``edgebatch report``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli_process import edgebatch, refusal
from report_inputs import PRECISIONS, RATES, planned, study, swept


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("report") / "results.v1").folder


def said(*arguments: str | Path) -> list[str]:
    """Return what the command says of where it wrote, on standard error."""
    result = edgebatch("report", *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stdout == b""
    return result.stderr.decode().splitlines()


def test_by_default_the_page_goes_beside_the_results(results: Path) -> None:
    page = results.with_name("results.v1.html")
    assert said(results) == [f"page: {page}"]
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")


def test_a_folder_named_by_a_dot_has_its_page_beside_it_too(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results)
    assert said(".") == [f"page: {results.with_name('results.v1.html')}"]


def test_the_same_bytes_come_out_of_every_process(results: Path, tmp_path: Path) -> None:
    pages = []
    for seed in ("1", "2"):
        page = tmp_path / f"{seed}.html"
        subprocess.run(
            [sys.executable, "-m", "edgebatch", "report", results, "--output", page],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"},
            check=True,
            capture_output=True,
        )
        pages.append(page.read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_figures_for_papers_are_files_of_their_own(
    results: Path, tmp_path: Path, kind: str, start: bytes
) -> None:
    figures = tmp_path / "new" / "figures"
    options = ("--output", tmp_path / "a.html", "--figures", figures, "--figure-format", kind)
    names = [f"{name}.{kind}" for name in ("served", "latency", "budgets", "search")]
    assert said(results, *options)[1:] == [f"figure: {figures / name}" for name in names]
    assert {path.name for path in figures.iterdir()} == set(names)
    before = {path: path.read_bytes() for path in figures.iterdir()}
    assert all(content.startswith(start) for content in before.values())
    said(results, *options)
    assert {path: path.read_bytes() for path in figures.iterdir()} == before


def test_figures_of_several_settings_have_names_of_their_own(tmp_path: Path) -> None:
    swept(tmp_path / "r", study(RATES, PRECISIONS, policies=("none",), seeds=(1,)))
    said(tmp_path / "r", "--figures", tmp_path / "figures")
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert len(names) == 2 * 3  # nobody searches
    assert all(name.startswith(("served-", "latency-", "budgets-")) for name in names)


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "nothing: is not there; give the folder of a sweep" in refusal("report", "nothing")
    assert "is no results folder" in refusal("report", tmp_path, "--output", tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []


def test_foreign_json_is_one_line(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"runs": []}', encoding="utf-8")
    assert "other.json: is no plan; expected what edgebatch plan" in refusal("report", other)


def test_an_output_that_cannot_be_is_said_before_anything_is_read(
    results: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere" / "page.html"
    assert "--output: there is no folder" in refusal("report", results, "--output", nowhere)
    assert "is a folder" in refusal("report", results, "--output", tmp_path)


def test_a_full_disk_is_one_line(results: Path) -> None:
    line = refusal("report", results, "--output", "/dev/full")
    assert line == "edgebatch: error: /dev/full: cannot be written: No space left on device"


def test_a_disk_that_fills_up_keeps_the_old_page(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("old", encoding="utf-8")
    limited = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from edgebatch.cli.main import main\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", limited, "report", results, "--output", page],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"edgebatch: error: {page}: cannot be written: File too large\n"
    assert page.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_plan_has_figures_for_papers_too(tmp_path: Path, kind: str, start: bytes) -> None:
    told = planned(tmp_path / "plan.json")
    assert [each["status"] for each in told["candidates"]] == ["sustains", "does-not-fit"]
    figures = tmp_path / "figures"
    options = ("--figures", figures, "--figure-format", kind)
    paths = [figures / f"{name}.{kind}" for name in ("rates", "search")]
    assert said(tmp_path / "plan.json", *options)[1:] == [f"figure: {path}" for path in paths]
    before = [path.read_bytes() for path in paths]
    assert all(content.startswith(start) for content in before)
    said(tmp_path / "plan.json", *options)
    assert [path.read_bytes() for path in paths] == before


def test_figures_of_nothing_and_unknown_formats_are_refused(results: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text("{}", encoding="utf-8")
    folder = ("--figures", tmp_path / "figures")
    assert "plan.json: is no plan" in refusal("report", plan, *folder)
    assert "nothing: is not there" in refusal("report", tmp_path / "nothing", *folder)
    line = refusal("report", results, *folder, "--figure-format", "gif")
    assert "--figure-format: must be png or svg, got 'gif'" in line
    trace = refusal("report", plan, "--trace", plan, "--output", tmp_path / "a.html")
    assert "--trace: only goes with the folder of a sweep" in trace
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("missing", ["plotly", "jinja2", "pyarrow"])
def test_a_missing_library_is_one_line_that_says_what_to_install(
    results: Path, tmp_path: Path, missing: str
) -> None:
    blocked = f"import sys\nsys.modules[{missing!r}] = None\n"
    code = blocked + "from edgebatch.cli.main import main\nmain()\n"
    result = subprocess.run(
        [sys.executable, "-c", code, "report", results, "--output", tmp_path / "page.html"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("edgebatch: error: ")
    assert result.stderr.endswith("needs an extra: pip install 'edgebatch[study]'\n")
    assert list(tmp_path.iterdir()) == []
