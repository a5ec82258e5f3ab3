"""How well could anybody foretell when an answer ends?

    pip install scikit-learn
    python benchmarks/gateway/prediction_floor.py in-time/llama-cpp

reads the requests of what ``in_time.py`` has measured and prints, for each load, the median
relative error of three predictions of whole answers' times: the gateway's own; that of
gradient-boosted trees told what the gateway knew when a request came; and that of trees told as
well how many others came while it ran. The trees learn from nine tenths of the same run and are
judged on the last, so they know its load and its lengths from the beginning, as no gateway can.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from load import read_told
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict
from streams import Told

FloatArray = npt.NDArray[np.float64]
_RECENT_SECONDS = 5.0


def error(predicted: FloatArray, actual: FloatArray) -> float:
    """Return the median of the relative errors, without sign."""
    return float(np.median(np.abs(predicted - actual) / actual))


def known_at_joining(answers: list[Told]) -> FloatArray:
    """Return what could be known of each request when it came, shape (answers, 10)."""
    sent, first, last, tokens = (
        np.array([float(getattr(each, name)) for each in answers])
        for name in ("sent_seconds", "first_seconds", "last_seconds", "tokens")
    )
    second_per_token = (last - first) / tokens
    known = []
    for place, answer in enumerate(answers):
        now = answer.sent_seconds
        run = (sent < now) & (last > now)
        left = np.clip((last[run] - now) / (last[run] - sent[run]), 0.0, 1.0) * tokens[run]
        recent = (last > now - _RECENT_SECONDS) & (last < now)
        known.append(
            [
                np.log(answer.predicted_ms),
                answer.tokens,
                run.sum(),
                left.sum(),
                left.max(initial=0.0),
                np.minimum(left, answer.tokens).sum(),
                float(np.median(second_per_token[recent])) if recent.any() else 0.0,
                ((sent > now - _RECENT_SECONDS) & (sent < now)).sum(),
                answer.deadline_seconds,
                first[place] - now,
            ]
        )
    return np.array(known, dtype=np.float64)


def joined_later(answers: list[Told]) -> FloatArray:
    """Return how many others who came later ran beside each, on the average."""
    sent = np.array([each.sent_seconds for each in answers])
    last = np.array([each.last_seconds for each in answers])
    beside = []
    for each in answers:
        later = (sent > each.sent_seconds) & (sent < each.last_seconds)
        shared = np.minimum(last[later], each.last_seconds) - sent[later]
        beside.append(shared.sum() / each.took_seconds)
    return np.array(beside)


def foretold(features: FloatArray, actual: FloatArray) -> FloatArray:
    """Return the time of each, predicted by trees that learnt from others of the same run."""
    trees = GradientBoostingRegressor(
        loss="absolute_error", n_estimators=300, max_depth=4, learning_rate=0.05, random_state=0
    )
    folds = KFold(10, shuffle=True, random_state=0)
    logarithms: FloatArray = cross_val_predict(trees, features, np.log(actual), cv=folds)
    return np.exp(logarithms)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="what in_time.py was told as --results")
    given = parser.parse_args()
    print("| arrivals | load | answers | gateway | trees | trees, told who joins later |")
    print("|---|---|---|---|---|---|")
    for path in sorted((given.folder / "requests").glob("*-rolling.csv")):
        named = re.fullmatch(r"(\w+)-([\d.]+)-rolling", path.stem)
        if named is None:
            continue
        told = [each for each in read_told(path) if each.end == "whole" and each.predicted_ms > 0.0]
        actual = np.array([each.gateway_ms for each in told])
        known = known_at_joining(told)
        later = joined_later(told)[:, np.newaxis]
        errors = (
            error(np.array([each.predicted_ms for each in told]), actual),
            error(foretold(known, actual), actual),
            error(foretold(np.hstack([known, later]), actual), actual),
        )
        shown = " | ".join(f"{100.0 * each:.1f} %" for each in errors)
        print(f"| {named[1]} | {named[2]}× | {len(told)} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
