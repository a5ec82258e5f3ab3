"""Errors say one line, also after they have passed from one process to another."""

from __future__ import annotations

import pickle

import pytest

from edgebatch.errors import (
    CannotHostError,
    EdgebatchError,
    InputError,
    MissingExtraError,
    UnknownNameError,
    UnsupportedError,
)

ERRORS = (
    EdgebatchError("any"),
    InputError("node.count", "must be at least 1"),
    UnknownNameError("policy", "dfstp", ["dftsp", "static"]),
    CannotHostError("too little"),
    UnsupportedError("not this kind"),
    MissingExtraError("plotting", "study"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(error: EdgebatchError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_an_error_can_be_moved_further_out() -> None:
    error = InputError("rate", "must be above 0").within("a.toml")
    assert (str(error), error.path) == ("a.toml: rate: must be above 0", "a.toml: rate")
    assert str(InputError("", "is empty").within("a.toml")) == "a.toml: is empty"


def test_the_nearest_name_is_offered_whatever_its_case() -> None:
    assert "did you mean 'DFTSP'?" in str(UnknownNameError("policy", "dfstp", ["DFTSP", "none"]))


def test_all_names_are_offered_where_none_is_near() -> None:
    assert str(UnknownNameError("policy", "x", ["a", "b"])) == (
        "policy: unknown name 'x'; known: a, b"
    )
