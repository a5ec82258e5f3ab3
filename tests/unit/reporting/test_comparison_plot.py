"""The plot of a comparison: the same bytes every time, whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebatch.comparison import Comparison, compare
from edgebatch.errors import InputError
from edgebatch.reporting.plots.comparison import save_comparison_plot
from edgebatch.reporting.plots.style import FORMATS, check_plot_path, looks
from edgebatch.scenario import Policy
from toy_scenario import toy


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(
        toy(), [Policy("dftsp"), Policy("none")], rates_per_second=[0.25, 1, 4], num_seeds=2
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_equal_comparisons_make_equal_bytes_in_every_format(
    comparison: Comparison, tmp_path: Path, suffix: str
) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix.upper()}"
    for path in (first, second):
        save_comparison_plot(comparison, path, "title")
    magic = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_one_load_can_be_drawn(tmp_path: Path) -> None:
    single = compare(toy(), [Policy("dftsp")], loads=[1.0])
    save_comparison_plot(single, tmp_path / "one.svg", "title")
    text = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert "<!-- load, multiples of the capacity -->" in text
    assert "<!-- dftsp -->" in text


def test_a_plot_that_cannot_be_written_is_refused(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file"):
        save_comparison_plot(comparison, tmp_path / "missing" / "a.png", "title")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.gif", "--plot: must end in .png, .svg, .pdf, got"),
        ("a", "--plot: must end in"),
        ("missing/a.png", "--plot: there is no folder"),
    ],
)
def test_a_bad_place_is_refused_beforehand(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_plot_path(tmp_path / name)
    assert str(caught.value).startswith(said)


def test_the_first_eight_policies_look_different() -> None:
    names = [str(number) for number in range(9)]
    given = looks(names)
    assert len({look.colour for look in given.values()}) == 8
    assert given["8"] == given["0"]
