"""One run of a study again, second by second: simulations are deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from edgebatch import __version__
from edgebatch.errors import EdgebatchError
from edgebatch.reporting.html.sweep.view import Row, StudyView
from edgebatch.reporting.html.sweep.words import leads, ranked
from edgebatch.scenario import Scenario, parse_policy
from edgebatch.simulation import RunLog, summarise
from edgebatch.study.places import located


class Repeated(NamedTuple):
    """A run that was made again.

    Attributes:
        words: which one it is.
        log: of the run; None if it cannot be made again.
        problem: why not; empty if it could.
        is_continuous: whether requests join a running batch.
        downlink_seconds: length of the node's downlink phase.
    """

    words: str
    log: RunLog | None
    problem: str
    is_continuous: bool
    downlink_seconds: float


def repeat_representatives(view: StudyView, setting: Sequence[Any]) -> list[Repeated]:
    """Make the runs of a setting's best policies at the middle position again, first seed.

    These are the policy that serves most in time there and, if requests join a running batch
    under it, also the best of those that form batches. A run has no log where it cannot be made,
    or where it comes out otherwise than the results say.
    """
    found = leads(view, setting)
    if not found:
        return []
    position = found[len(found) // 2].position
    ranking = ranked(view, setting, position)
    forming = [policy for policy in ranking if not parse_policy(policy).is_continuous]
    chosen = dict.fromkeys((ranking[0], *forming[:1]))
    return [_again(view, setting, position, policy) for policy in chosen]


def _again(view: StudyView, setting: Sequence[Any], position: int, policy: str) -> Repeated:
    rows = view.at(setting, position, policy)
    seed = min(rows)
    label = view.setting_label(setting)
    words = f"{policy}{view.at_place(position)}, seed {seed}" + (f", {label}" if label else "")
    is_continuous = parse_policy(policy).is_continuous
    try:
        log, downlink_seconds = _repeated(view, rows[seed])
    except EdgebatchError as error:
        return Repeated(words, None, str(error), is_continuous, 0.0)
    return Repeated(words, log, "", is_continuous, downlink_seconds)


def _repeated(view: StudyView, row: Row) -> tuple[RunLog, float]:
    results = view.results
    if results.version != __version__:
        raise EdgebatchError(
            f"the results are of edgebatch {results.version}, and this is {__version__}"
        )
    study = located(results.study, (Path(), results.folder, results.folder.parent), view.trace)
    run = next(islice(study.runs(), row["run"], None))
    scenario = Scenario(study.document_at(run.values, run.seed))
    workload = scenario.workload
    varies_rate = any(axis.key in ("load", "rate") for axis in results.study.axes)
    if varies_rate and workload.mean_rate:
        workload = workload.scaled(row["rate_per_second"] / workload.mean_rate)
    log = scenario.run(parse_policy(row["policy"]), workload)
    again = summarise(log)
    if (again.requests, again.in_time) != (row["requests"], row["in_time"]):
        raise EdgebatchError(
            f"it came out otherwise than the results say: {again.in_time} instead of "
            f"{row['in_time']} requests in time"
        )
    return log, scenario.hosting.node.downlink_seconds
