"""What a run's log says of every instant: how many requests are somewhere, how busy the node is."""

from __future__ import annotations

import numpy as np

from edgebatch.problem.checks import FloatArray
from edgebatch.simulation import RunLog

_WINDOWS = 100


def counts_over_time(begins: FloatArray, ends: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return when the number of intervals that are open changes, and to what.

    Args:
        begins: of the intervals, shape (N,); not finite where one never began.
        ends: of the intervals, shape (N,); not finite where one never ended.
    """
    both = np.isfinite(begins) & np.isfinite(ends)
    times, places = np.unique(np.concatenate((begins[both], ends[both])), return_inverse=True)
    changes = np.repeat((1.0, -1.0), both.sum())
    return times, np.cumsum(np.bincount(places, weights=changes, minlength=len(times)))


def busy_shares(log: RunLog) -> tuple[FloatArray, FloatArray]:
    """Return the part of each of 100 equal windows in which the node computed.

    Of several nodes it is the mean. One computes from the start of a batch until the last token of
    its last member.

    Returns:
        Where windows begin, in seconds, and the parts, 0 to 1; both of shape (100,).
    """
    member_of, last = (log.ledger.column(name) for name in ("batch", "last_token_at_seconds"))
    ended = {batch.number: batch.ended_at_seconds for batch in log.batches}
    for number, at in zip(member_of.tolist(), last.tolist(), strict=True):
        if number in ended and np.isfinite(at):
            ended[number] = max(ended[number], at)
    edges = np.linspace(0.0, max(log.span_seconds, 1e-9), _WINDOWS + 1)
    busy = np.zeros(_WINDOWS)
    until = [0.0] * log.num_nodes
    for batch in sorted(log.batches, key=lambda each: each.started_at_seconds):
        begin, end = max(batch.started_at_seconds, until[batch.node]), ended[batch.number]
        if end > begin:
            busy += np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin), 0.0, None)
            until[batch.node] = end
    return edges[:-1], busy / np.diff(edges) / log.num_nodes
