"""Who is best, and the sentences that say so."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgebatch.study.feasibility import Feasibility
from edgebatch.study.investigation import Finding, Question, Status
from edgebatch.study.saturation import Point
from edgebatch.study.shares import STUDENT_975, Verdict
from edgebatch.units import GIGA, significant


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, best first.

    The highest sustainable rate comes first. Those whose intervals overlap with that of the first
    are not told apart by their rates, so among them the better quality comes first, then the lower
    power, then the higher rate; and so on with the rest. After those that sustain a rate come the
    others: by the share that they could serve at best, and last those that do not fit.
    """
    left = sorted((each for each in findings if each.status is Status.SUSTAINS), key=_by_rate)
    result: list[Finding] = []
    while left:
        tied = [each for each in left if each is left[0] or _overlap(each, left[0])]
        result += sorted(tied, key=_by_quality)
        left = [each for each in left if each not in tied]
    others = [each for each in findings if each.status is not Status.SUSTAINS]
    return result + sorted(others, key=_by_ceiling)


def tied_with_first(ranking: Sequence[Finding]) -> list[Finding]:
    """Return those who follow the first only by quality, power or a hair of rate."""
    sustaining = [each for each in ranking if each.status is Status.SUSTAINS]
    return [each for each in sustaining[1:] if _overlap(each, min(sustaining, key=_by_rate))]


def recommendation(ranking: Sequence[Finding], question: Question) -> str:
    """Return who is best and why: in a sentence or two, or in one for each model.

    A small model sustains more than a large one, but its answers are no substitute.
    """
    models = dict.fromkeys(each.candidate.model for each in ranking)
    if len(models) == 1:
        return _recommended(ranking, question)
    parts = []
    for model in models:
        first = next(each for each in ranking if each.candidate.model == model)
        if first.status is Status.SUSTAINS:
            parts.append(f"For {model} take {_setting(first)}: it sustains {_rate(first)}")
        else:
            none = "is shown to do" if _is_undecided(first) else "will do"
            parts.append(f"For {model} none {none}; {_setting(first)} comes closest")
    return ". ".join(parts) + "."


def _recommended(ranking: Sequence[Finding], question: Question) -> str:
    first, percent = ranking[0], f"{100 * question.target:.4g} %"
    if first.status is not Status.SUSTAINS:
        none = "fits"
        if first.status is not Status.DOES_NOT_FIT:
            serves = "is shown to serve" if _is_undecided(first) else "serves"
            none = f"{serves} {percent} of the requests in time at any rate"
        why = explanation(first)
        return f"None {none}; {first.candidate.label} comes closest: {why}."
    text = f"Take {first.candidate.label}: it sustains {_rate(first)} with {percent} in time"
    tied = tied_with_first(ranking)
    rest = [each for each in ranking[1:] if each.status is Status.SUSTAINS and each not in tied]
    if tied:
        text += (
            f"; {_listed([each.candidate.label for each in tied])} "
            f"{'is' if len(tied) == 1 else 'are'} not told apart from it by rate, and it comes "
            "first by quality, power and mean rate, in this order"
        )
    elif rest:
        text += f", next is {rest[0].candidate.label} with {_rate(rest[0])}"
    elif len(ranking) > 1:
        text += "; no other sustains any rate"
    return text + "." + _at_rate(first, question)


def _at_rate(first: Finding, question: Question) -> str:
    rate, asked = question.rate_per_second, first.at_rate
    if rate is None or asked is None:
        return ""
    low, high = 100 * asked.share.low, 100 * asked.share.high
    share = f"{100 * asked.share.mean:.1f} % of them in time ({low:.1f} to {high:.1f})"
    return f" At {significant(rate)}/s it serves {share}."


def _setting(finding: Finding) -> str:
    return f"{finding.candidate.device}, {'+'.join(finding.candidate.precisions)}"


def explanation(finding: Finding) -> str:
    """Return why a candidate sustains no rate; empty if it does."""
    feasibility = finding.feasibility
    if finding.status is Status.DOES_NOT_FIT:
        return (
            f"does not fit, {_gigabytes(feasibility.missing_bytes)} too little: weights "
            f"{_gigabytes(feasibility.weights_bytes)}, memory {_gigabytes(feasibility.node_bytes)}"
        )
    if finding.status is Status.OUT_OF_REACH:
        return f"{_if_alone(feasibility)}; {_listed(_obstacles(feasibility))}"
    if finding.status is Status.BELOW_TARGET and finding.saturation is not None:
        return _too_few_in_time(finding.saturation.points[0], feasibility)
    return ""


def _too_few_in_time(lowest: Point, feasibility: Feasibility) -> str:
    """Return what was seen at the lowest rate, and beside it what was counted without any queue.

    The one share is measured in runs, the other counted over a sample of requests: either may be
    the larger by chance, so neither is a bound of the other.
    """
    share = lowest.share
    seen = (
        f"{100 * share.mean:.4g} % ({100 * share.low:.4g} to {100 * share.high:.4g}) in time at "
        f"{lowest.rate_per_second:.2g}/s, the lowest rate looked at"
    )
    if lowest.verdict is Verdict.UNDECIDED:
        seen += ", too near the target to tell"
        seen += "" if share.runs >= max(STUDENT_975) else f" (--runs {max(STUDENT_975)} may)"
    return f"{seen}; {_if_alone(feasibility)}"


def _if_alone(feasibility: Feasibility) -> str:
    share = f"{100 * feasibility.ceiling:.4g} %"
    return f"in a sample {share} could be in time if each had the node to itself"


def _is_undecided(finding: Finding) -> bool:
    """Return whether not even the lowest rate was shown to meet the target or to miss it."""
    found = finding.saturation
    return (
        finding.status is Status.BELOW_TARGET
        and found is not None
        and found.points[0].verdict is Verdict.UNDECIDED
    )


def _obstacles(feasibility: Feasibility) -> list[str]:
    """Return why requests can never be served in time, the most frequent reason first."""
    words = {
        "quality": f"ask for more quality than {feasibility.best_quality:.3g}",
        "memory": "do not fit the memory beside the weights",
        "deadline": "have deadlines shorter than their fastest answer",
    }
    if feasibility.fastest_seconds is not None:
        words["deadline"] += f" ({significant(feasibility.fastest_seconds)} s)"
    by_share = sorted(feasibility.hopeless.items(), key=lambda item: -item[1])
    return [f"{100 * share:.4g} % {words[reason]}" for reason, share in by_share]


def _rate(finding: Finding) -> str:
    found = finding.saturation
    assert found is not None
    assert found.rate_per_second is not None
    if found.high_per_second is None:
        return f"more than {significant(found.rate_per_second)}/s"
    low, high = _bounds(finding)
    return f"{significant(found.rate_per_second)}/s ({significant(low)} to {significant(high)})"


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def _gigabytes(size: float) -> str:
    return f"{size / GIGA:.2f} GB"


def _bounds(finding: Finding) -> tuple[float, float]:
    found = finding.saturation
    assert found is not None
    assert found.low_per_second is not None
    high = math.inf if found.high_per_second is None else found.high_per_second
    return found.low_per_second, high


def _overlap(one: Finding, other: Finding) -> bool:
    (low, high), (other_low, other_high) = _bounds(one), _bounds(other)
    # where only the ends meet, one is shown to be above the target at the rate and one below
    return low < other_high and other_low < high


def _by_rate(finding: Finding) -> float:
    assert finding.saturation is not None
    return -(finding.saturation.rate_per_second or 0.0)


def _by_quality(finding: Finding) -> tuple[float, float, float]:
    watts = finding.candidate.power_watts
    power = math.inf if watts is None else watts
    return -finding.feasibility.best_quality, power, _by_rate(finding)


def _by_ceiling(finding: Finding) -> tuple[bool, float, float]:
    unfit = finding.status is Status.DOES_NOT_FIT
    return unfit, -finding.feasibility.ceiling, finding.feasibility.missing_bytes
