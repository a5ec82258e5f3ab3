"""When members are believed to end, after some have."""

import numpy as np
import pytest

from edgebatch.realtime.prediction import EndPredictor, Guess

TWO = Guess(alone=np.array([1.0, 4.0]), steady=np.array([2.0, 9.0]))


def taught(
    ratio_to_alone: float | None = None, ratio_to_steady: float | None = None
) -> EndPredictor:
    predictor = EndPredictor()
    generator = np.random.default_rng(0)
    for number, alone in enumerate(generator.uniform(1.0, 10.0, 200)):
        steady = alone * generator.uniform(1.0, 4.0)
        predictor.note(number, alone, steady)
        actual = alone * ratio_to_alone if ratio_to_alone else steady * (ratio_to_steady or 1.0)
        predictor.learn(number, actual)
    return predictor


def test_before_anything_is_known_others_are_expected_to_join() -> None:
    assert EndPredictor().predict(TWO).tolist() == [2.0, 9.0]


def test_where_nobody_joins_later_the_cost_model_alone_is_believed() -> None:
    assert taught(ratio_to_alone=1.0).predict(TWO) == pytest.approx([1.0, 4.0])


def test_where_passes_stay_as_long_that_is_believed_and_corrected() -> None:
    assert taught(ratio_to_steady=1.1).predict(TWO) == pytest.approx([2.2, 9.9])


def test_a_single_stray_answer_corrects_by_no_more_than_a_factor_of_three() -> None:
    predictor = EndPredictor()
    predictor.note(0, 1.0, 1.0)
    predictor.learn(0, 100.0)
    assert predictor.predict(TWO) == pytest.approx([3.0, 12.0])


def test_a_request_that_is_forgotten_teaches_nothing() -> None:
    predictor = EndPredictor()
    predictor.note(0, 1.0, 1.0)
    predictor.forget(0)
    assert predictor.predict(TWO).tolist() == [2.0, 9.0]
