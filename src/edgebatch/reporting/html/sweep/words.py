"""What a sweep's results say, in sentences made of the results alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from edgebatch.reporting.html.intervals import Estimate
from edgebatch.reporting.html.sweep.view import StudyView
from edgebatch.study.rows import BUDGETS, REASONS

SHARE = "in_time_share"
TARGET = 0.99


@dataclass(frozen=True, slots=True)
class Lead:
    """Who serves the largest part in time at one point.

    Attributes:
        position: where.
        policy: the one with the largest mean.
        share: its part, 0 to 1.
        second: the policy with the next largest mean; None if there is no other.
        margin: how far it is ahead of that, seed by seed.
        ties: those from which it cannot be told apart: the interval of the difference has 0 in it.
    """

    position: int
    policy: str
    share: Estimate
    second: str | None
    margin: Estimate | None
    ties: tuple[str, ...]


def leads(view: StudyView, setting: Sequence[Any]) -> list[Lead]:
    """Return who leads at each position at which anything was run."""
    found = []
    for position in range(len(view.positions.values)):
        shares = _shares(view, setting, position)
        ranking = ranked(view, setting, position)
        if not ranking:
            continue
        first, others = ranking[0], ranking[1:]
        margins = {
            other: view.difference(setting, position, (first, other), SHARE) for other in others
        }
        ties = tuple(
            other
            for other, margin in margins.items()
            if margin is not None and margin.half_width is not None and not margin.excludes_zero
        )
        second = others[0] if others else None
        margin = margins[second] if second else None
        found.append(Lead(position, first, shares[first], second, margin, ties))
    return found


def ranked(view: StudyView, setting: Sequence[Any], position: int) -> list[str]:
    """Return the policies that were run at a point, largest part in time first."""
    shares = _shares(view, setting, position)
    return sorted(shares, key=lambda policy: -shares[policy].mean)


def _shares(view: StudyView, setting: Sequence[Any], position: int) -> dict[str, Estimate]:
    return {
        policy: share
        for policy in view.policies
        if (share := view.estimate(setting, position, policy, SHARE)) is not None
    }


def summary_points(view: StudyView, setting: Sequence[Any], *, in_detail: bool) -> list[str]:
    """Return what the results of a setting say: who leads where, and if asked, what was lost.

    Args:
        view: the results.
        setting: which setting.
        in_detail: whether to say what became of the other requests, and what bound.
    """
    found = leads(view, setting)
    if not found:
        return ["None of this setting's runs is there yet."]
    points = [
        _lead_sentence(view, list(group)) for _, group in groupby(found, lambda lead: lead.policy)
    ]
    if view.is_over_load:
        points.append(_kept_sentence(view, setting))
    if in_detail:
        points.append(_lost_sentence(view, setting, found[-1]))
        points.append(_binding_sentence(view, setting, found[-1].position))
    return points


def _lead_sentence(view: StudyView, group: Sequence[Lead]) -> str:
    first, last = group[0], group[-1]
    where = _at(view, group)
    if all(lead.share.mean == 0.0 for lead in group):
        return f"{where}, no policy serves any request in time."
    shares = per_cent(first.share)
    if last is not first:
        shares += f" to {per_cent(last.share)}"
    sentence = f"{where}, {_name(first.policy)} serves most in time: {shares} of all requests."
    if first.second is None:
        return sentence
    return " ".join((sentence, *_separations(view, group)))


def _separations(view: StudyView, group: Sequence[Lead]) -> Iterator[str]:
    """Yield how far ahead the leader is, and where it cannot be told apart from others."""
    for ties, each in groupby(group, lambda lead: lead.ties):
        some = list(each)
        where = "It" if len(some) == len(group) else f"{_at(view, some)} it"
        if ties:
            yield f"{where} cannot be told apart from {_listed(map(_name, ties))}."
            continue
        least = min(some, key=lambda lead: lead.margin.mean if lead.margin else 0.0)
        if least.margin is None:
            continue
        second, ahead = _name(least.second or ""), f"{100 * least.margin.mean:.1f} points"
        if len(some) == 1:
            yield f"{where} is ahead of {second} by {ahead}{_interval(least.margin)}."
        else:
            place = view.place(least.position)
            yield (
                f"{where} is ahead of the next by at least {ahead}: of {second} at "
                f"{place}{_interval(least.margin)}."
            )


def _interval(margin: Estimate) -> str:
    if margin.half_width is None:
        return ""
    return f" (95 % interval {100 * margin.low:.1f} to {100 * margin.high:.1f})"


def _at(view: StudyView, leads_: Sequence[Lead]) -> str:
    return f"At {view.place(*(lead.position for lead in leads_))}"


def _kept_sentence(view: StudyView, setting: Sequence[Any]) -> str:
    """Return up to which load each policy still serves nearly all in time."""
    values = view.positions.values
    order = sorted(range(len(values)), key=lambda position: float(values[position]))
    reached: dict[int, list[str]] = {}
    for policy in view.policies:
        highest = None
        for position in order:
            share = view.estimate(setting, position, policy, SHARE)
            if share is None or share.mean < TARGET:
                break
            highest = position
        if highest is not None:
            reached.setdefault(highest, []).append(policy)
    if not reached:
        return f"No policy serves {100 * TARGET:.0f} % in time, not even at the lowest load."
    parts = [
        f"{_listed(map(_name, reached[position]))} up to {view.place(position)}"
        for position in reversed(order)
        if position in reached
    ]
    rest = len(view.policies) - sum(map(len, reached.values()))
    others = "; the others not even at the lowest load" if rest else ""
    return f"At least {100 * TARGET:.0f} % in time are served by {'; '.join(parts)}{others}."


def _lost_sentence(view: StudyView, setting: Sequence[Any], lead: Lead) -> str:
    """Return what became of those whom the leader did not serve in time."""
    rows = list(view.at(setting, lead.position, lead.policy).values())
    lost = {name: sum(row[name] for row in rows) for name in ("expired", "rejected", "late")}
    total, requests = sum(lost.values()), sum(row["requests"] for row in rows)
    start = f"At {view.place(lead.position)}"
    if total == 0:
        return f"{start} {_name(lead.policy)} loses no request."
    parts = [
        f"{100 * count / requests:.1f} % {verb}"
        for (_, count), verb in zip(
            lost.items(), ("expired", "were rejected on arrival", "were served late"), strict=True
        )
        if count
    ]
    sentence = f"{start}, under {_name(lead.policy)}, {_listed(parts)}, of all requests"
    reasons = {reason: sum(row[f"reason_{reason}"] for row in rows) for reason in REASONS}
    rejections = {name: count for name, count in reasons.items() if name != "waited_too_long"}
    if lost["rejected"]:
        main = max(rejections, key=lambda name: rejections[name])
        sentence += f"; the main reason for rejecting is {main.replace('_', ' ')}"
    return sentence + "."


def _binding_sentence(view: StudyView, setting: Sequence[Any], position: int) -> str:
    by_budget: dict[str, list[tuple[str, float]]] = {}
    for policy in view.policies:
        counts = binding_counts(view, setting, position, policy)
        total = sum(counts.values())
        if total:
            most = max(counts, key=lambda budget: counts[budget])
            by_budget.setdefault(most, []).append((policy, 100 * counts[most] / total))
    if not by_budget:
        return f"At {view.place(position)} no batch left anybody out."
    parts = [
        f"{budget} under {_listed(_name(policy) for policy, _ in shares)} "
        f"({_range([share for _, share in shares])} % of the times)"
        for budget, shares in by_budget.items()
    ]
    return (
        f"What kept the next candidate out of a batch most often at {view.place(position)}: "
        f"{'; '.join(parts)}."
    )


def _range(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.0f}", f"{max(shares):.0f}"
    return low if low == high else f"{low} to {high}"


def binding_counts(
    view: StudyView, setting: Sequence[Any], position: int, policy: str
) -> dict[str, int]:
    """Return how often each budget kept the next candidate out, over all seeds."""
    rows = view.at(setting, position, policy).values()
    return {budget: sum(row[f"binding_{budget}"] for row in rows) for budget in BUDGETS}


def per_cent(share: Estimate) -> str:
    """Return a part as per cent, with its interval where it is known."""
    if share.half_width is None:
        return f"{100 * share.mean:.1f} %"
    return f"{100 * share.mean:.1f} ± {100 * share.half_width:.1f} %"


def _name(policy: str) -> str:
    return f"`{policy}`"


def _listed(several: Iterable[str]) -> str:
    words = list(several)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
