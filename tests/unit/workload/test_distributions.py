"""Distributions draw what they say: mean, range, and nothing clipped in silence."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.workload import (
    Choice,
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Lognormal,
    Uniform,
    distribution_from_config,
)

DRAWS = 100_000

DISTRIBUTIONS = {
    "constant": Constant(3.0),
    "uniform": Uniform(0.5, 2.0),
    "choice": Choice((128.0, 256.0, 512.0)),
    "weighted choice": Choice((0.0, 0.9), weights=(3.0, 1.0)),
    "lognormal": Lognormal(median=100.0, sigma=0.5),
    "lognormal clipped on both sides": Lognormal(100.0, 1.0, minimum=50.0, maximum=200.0),
    "lognormal clipped above its median": Lognormal(100.0, 1.0, minimum=150.0),
    "exponential": Exponential(2.0),
    "empirical": Empirical(np.array([1.0, 1.0, 4.0])),
}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS.keys())
def test_mean_is_that_of_what_is_drawn(distribution: Distribution) -> None:
    draws = distribution.sample(np.random.default_rng(7), DRAWS)
    standard_error = float(draws.std()) / math.sqrt(DRAWS)
    assert abs(float(draws.mean()) - distribution.mean) <= 4.0 * standard_error + 1e-12


@pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS.keys())
def test_all_draws_lie_in_the_support(distribution: Distribution) -> None:
    draws = distribution.sample(np.random.default_rng(7), 1000)
    low, high = distribution.support
    assert draws.shape == (1000,)
    assert draws.dtype == np.float64
    assert low <= draws.min()
    assert draws.max() <= high


def test_means_by_hand() -> None:
    assert Uniform(0.5, 2.0).mean == 1.25
    assert Choice((128.0, 256.0, 512.0)).mean == pytest.approx(896.0 / 3.0)
    assert Choice((0.0, 0.9), weights=(3.0, 1.0)).mean == pytest.approx(0.225)
    assert Empirical(np.array([1.0, 1.0, 4.0])).mean == 2.0
    # e^(σ²/2) above the median
    assert Lognormal(100.0, 0.5).mean == pytest.approx(100.0 * math.exp(0.125))
    assert Lognormal(100.0, 0.0, maximum=40.0).mean == 40.0


def test_clipping_a_lognormal_makes_an_atom_at_the_limit() -> None:
    draws = Lognormal(100.0, 1.0, maximum=100.0).sample(np.random.default_rng(7), DRAWS)
    # half of all draws lie above the median: standard error of the share 0.5/√n
    assert abs(float((draws == 100.0).mean()) - 0.5) < 4.0 * 0.5 / math.sqrt(DRAWS)


def test_weights_are_the_shares_of_the_values() -> None:
    draws = Choice((1.0, 2.0), weights=(3.0, 1.0)).sample(np.random.default_rng(7), DRAWS)
    standard_error = math.sqrt(0.75 * 0.25 / DRAWS)
    assert abs(float((draws == 1.0).mean()) - 0.75) < 4.0 * standard_error


def test_a_constant_may_be_infinite() -> None:
    assert Constant(math.inf).mean == math.inf


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: Constant(math.nan), "value"),
        (lambda: Uniform(2.0, 1.0), "high"),
        (lambda: Uniform(math.nan, 1.0), "low"),
        (lambda: Choice(()), "values"),
        (lambda: Choice((1.0, math.inf)), "values[1]"),
        (lambda: Choice((1.0, 2.0), weights=(1.0,)), "weights"),
        (lambda: Choice((1.0, 2.0), weights=(1.0, -1.0)), "weights[1]"),
        (lambda: Choice((1.0, 2.0), weights=(0.0, 0.0)), "weights"),
        (lambda: Lognormal(0.0, 1.0), "median"),
        (lambda: Lognormal(1.0, -1.0), "sigma"),
        (lambda: Lognormal(1.0, 1.0, minimum=2.0, maximum=1.0), "maximum"),
        (lambda: Lognormal(1.0, 1.0, maximum=math.nan), "maximum"),
        (lambda: Exponential(0.0), "mean"),
        (lambda: Empirical(np.array([])), "values"),
        (lambda: Empirical(np.array([1.0, math.nan])), "values"),
    ],
)
def test_a_wrong_parameter_is_named(build: object, path: str) -> None:
    assert callable(build)
    with pytest.raises(InputError) as caught:
        build()
    assert caught.value.path == path


def test_empirical_reads_one_column_of_a_gzip(tmp_path: Path) -> None:
    file = tmp_path / "lengths.csv.gz"
    file.write_bytes(gzip.compress(b"name, tokens\nx,3\n\ny,5\n"))
    assert Empirical.from_file(file, "tokens").values.tolist() == [3.0, 5.0]


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("tokens\n1\nmany\n", ":3: tokens", "must be a finite number, got 'many'"),
        ("tokens\n1\nnan\n", ":3: tokens", "must be a finite number, got 'nan'"),
        ("name,tokens\nx,1\ny\n", ":3: tokens", "must be a finite number, got a row cut short"),
        ("tokens\n", "", "has no rows after its header"),
        ("", "", "is empty, expected a header line and rows of numbers"),
    ],
)
def test_a_wrong_entry_of_a_column_is_named(
    tmp_path: Path, text: str, path: str, problem: str
) -> None:
    file = tmp_path / "lengths.csv"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        Empirical.from_file(file, "tokens")
    assert caught.value.path == f"{file}{path}"
    assert caught.value.problem == problem


def test_a_misspelt_column_gets_the_nearest_one(tmp_path: Path) -> None:
    file = tmp_path / "lengths.csv"
    file.write_text("prompt_tokens\n1\n")
    with pytest.raises(UnknownNameError, match="did you mean 'prompt_tokens'"):
        Empirical.from_file(file, "promt_tokens")


@pytest.mark.parametrize(
    ("value", "distribution"),
    [
        (2, Constant(2.0)),
        (math.inf, Constant(math.inf)),
        ([1, 2], Choice((1.0, 2.0))),
        ({"distribution": "constant", "value": 2}, Constant(2.0)),
        ({"distribution": "uniform", "low": 0.5, "high": 2}, Uniform(0.5, 2.0)),
        (
            {"distribution": "Choice", "values": [1, 2], "weights": [1, 3]},
            Choice((1.0, 2.0), (1.0, 3.0)),
        ),
        ({"distribution": "exponential", "mean": 2}, Exponential(2.0)),
        (
            {"distribution": "lognormal", "median": 9, "sigma": 1, "maximum": 20},
            Lognormal(9.0, 1.0, maximum=20.0),
        ),
    ],
)
def test_configuration_says_what_to_draw(value: object, distribution: Distribution) -> None:
    assert distribution_from_config(value, "deadline") == distribution


def test_configuration_may_name_a_file(tmp_path: Path) -> None:
    file = tmp_path / "lengths.csv"
    file.write_text("tokens\n3\n5\n")
    table = {"distribution": "empirical", "path": str(file), "column": "tokens"}
    assert distribution_from_config(table, "prompt").mean == 4.0


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ("2", "d", "must be a number, got '2'"),
        (True, "d", "must be a number, got True"),
        (10**400, "d", "must be at most 1e+100"),
        (math.nan, "d", "must be a number, got nan"),
        ([], "d", "must hold at least one number"),
        ([1, "x"], "d[1]", "must be a number, got 'x'"),
        ([1, math.inf], "d[1]", "must be a finite number, got inf"),
        ({}, "d.distribution", "must name a distribution, one of: constant, uniform"),
        ({"distribution": "unifrom"}, "d.distribution", "did you mean 'uniform'"),
        ({"distribution": "uniform", "low": 1}, "d.high", "is missing; uniform needs it"),
        (
            {"distribution": "uniform", "low": 1, "hihg": 2},
            "d.hihg",
            "unknown name 'hihg'; did you mean 'high'",
        ),
        ({"distribution": "uniform", "Low": 1, "high": 2}, "d.Low", "did you mean 'low'"),
        (
            {"distribution": "uniform", "low": 2, "high": 1},
            "d.high",
            "must be a finite number of at least 2, got 1.0",
        ),
        ({"distribution": "choice", "values": 3}, "d.values", "must be a list of numbers, got 3"),
        (
            {"distribution": "choice", "values": [1], "weights": [-1]},
            "d.weights[0]",
            "must be a finite number of at least 0, got -1.0",
        ),
        (
            {"distribution": "empirical", "path": 3, "column": "tokens"},
            "d.path",
            "must be a text, got 3",
        ),
        (
            {"distribution": "empirical", "path": "/no/such/file", "column": "tokens"},
            "d: /no/such/file",
            "no such file",
        ),
    ],
)
def test_a_configuration_error_has_the_path_of_its_key(
    value: object, path: str, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        distribution_from_config(value, "d")
    assert caught.value.path == path
    assert problem in caught.value.problem
