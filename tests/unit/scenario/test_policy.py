"""Policies as they are written: names, knobs, labels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.errors import InputError
from edgebatch.scenario import Policy, parse_policy, policy_names
from edgebatch.scenario.policy import CONTINUOUS, ROLLING

CAPPED = ("static", "fcfs", "edf", "sjf", "greedy")
UNCAPPED = ("exact", "dftsp", "brute-force", "none", "cp-sat", "milp")


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    name = draw(st.sampled_from(policy_names()))
    caps = st.none() | st.integers(1, 10**6)
    precisions = st.none() | st.sampled_from(["w8a16", "nf4", "mine 2"])
    if name in CONTINUOUS:
        return Policy(
            name,
            batch_cap=draw(caps),
            expire=draw(st.none() | st.booleans()),
            precision=draw(precisions),
        )
    if name == ROLLING:
        factors = st.none() | st.floats(min_value=0.0, allow_infinity=False)
        return Policy(
            name,
            batch_cap=draw(caps),
            precision=draw(precisions),
            reserve=draw(factors),
            ageing=draw(factors),
        )
    return Policy(
        name,
        batch_cap=draw(caps) if name in CAPPED else None,
        longest_batch_seconds=draw(
            st.none() | st.floats(min_value=0.0, exclude_min=True, allow_infinity=False)
        ),
    )


@given(policies())
def test_a_label_is_read_back_as_the_same_policy(policy: Policy) -> None:
    assert parse_policy(policy.label) == policy


@given(policies())
def test_knobs_may_be_spaced_out(policy: Policy) -> None:
    spaced = policy.label.replace(":", " : ").replace(",", " , ").replace("=", " = ")
    assert parse_policy(spaced) == policy


def test_every_solver_and_every_order_of_joining_is_a_policy() -> None:
    assert {*CAPPED, *UNCAPPED, *CONTINUOUS, ROLLING} == set(policy_names())


def test_names_may_be_written_in_any_case() -> None:
    assert parse_policy("STATIC:batch_cap=3") == Policy("static", batch_cap=3)
    assert parse_policy("static:") == Policy("static")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("statc", "policy: unknown name 'statc'; did you mean 'static'?"),
        ("static:batch_kap=3", "unknown name 'batch_kap'; did you mean 'batch_cap'?"),
        ("static:batch_cap=x", "batch_cap must be a whole number of at least 1, got 'x'"),
        ("static:batch_cap", "batch_cap must be a whole number of at least 1, got ''"),
        ("static:batch_cap=0", "policy.batch_cap: must be a whole number of at least 1, got 0"),
        ("static:batch_cap=1,batch_cap=2", "batch_cap is given twice"),
        ("continuous:expire=yes", "expire must be true or false, got 'yes'"),
        ("dftsp:longest_batch_seconds=long", "must be a number above 0, got 'long'"),
        ("dftsp:longest_batch_seconds=nan", "policy.longest_batch_seconds: must be a finite"),
        ("dftsp:longest_batch_seconds=-1", "policy.longest_batch_seconds: must be a finite"),
        ("dftsp:expire=true", "policy: 'dftsp' has no knob 'expire'"),
        ("continuous:longest_batch_seconds=1", "has no knob 'longest_batch_seconds'"),
        ("rolling:expire=true", "policy: 'rolling' has no knob 'expire'"),
        ("rolling:reserve=-1", "policy.reserve: must be a finite number of at least 0, got -1.0"),
    ],
)
def test_a_slip_is_refused_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_policy(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", UNCAPPED)
def test_solvers_that_choose_the_size_have_no_cap(name: str) -> None:
    with pytest.raises(InputError, match="has no knob 'batch_cap'"):
        Policy(name, batch_cap=3)


def test_infinity_is_no_limit_on_a_batch() -> None:
    with pytest.raises(InputError, match="finite"):
        Policy("dftsp", longest_batch_seconds=math.inf)


def test_a_knob_can_be_changed_alone() -> None:
    policy = Policy("continuous", batch_cap=8, expire=True)
    assert policy.with_knobs(batch_cap=16).label == "continuous:batch_cap=16,expire=true"
