"""A run as a Chrome trace, for chrome://tracing and Perfetto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgebatch.simulation import RunLog
from edgebatch.units import MICRO

_NODE, _QUEUE = 1, 2


def chrome_trace(log: RunLog) -> dict[str, Any]:
    """Return the trace: computing of every batch, and how many requests wait and run.

    Times are in microseconds, as the format wants them.
    """
    events = [
        *(_thread(_tid(node), "compute", node) for node in range(log.num_nodes)),
        _thread(_QUEUE, "before"),
        *_batches(log),
        *_counter(log, "waiting", "arrival_seconds", "decided_at_seconds"),
        *_counter(log, "running", "decided_at_seconds", "last_token_at_seconds"),
    ]
    return {"displayTimeUnit": "ms", "traceEvents": events}


def _tid(node: int) -> int:
    """Return the thread on which a node is shown."""
    return _NODE if node == 0 else _QUEUE + node


def _thread(tid: int, name: str, node: int = 0) -> dict[str, Any]:
    shown = f"{name} {node + 1}" if node else name
    return {"ph": "M", "pid": 1, "tid": tid, "name": "thread_name", "args": {"name": shown}}


def _batches(log: RunLog) -> Iterator[dict[str, Any]]:
    for batch in log.batches:
        name = f"batch {batch.number}: {batch.size} in {log.precisions[batch.precision]}"
        arguments = {
            "size": batch.size,
            "running": batch.running,
            "waiting": batch.num_waiting,
            "believed_seconds": batch.believed_seconds,
            "memory_use": batch.memory_use,
            "binding": None if batch.binding is None else batch.binding.value,
            "nodes": batch.nodes,
        }
        yield _span(
            _QUEUE, f"uplink {batch.number}", batch.decided_at_seconds, batch.started_at_seconds
        )
        yield _span(_tid(batch.node), name, batch.started_at_seconds, batch.ended_at_seconds) | {
            "args": arguments
        }


def _span(thread: int, name: str, start_seconds: float, end_seconds: float) -> dict[str, Any]:
    return {
        "ph": "X",
        "pid": 1,
        "tid": thread,
        "name": name,
        "ts": start_seconds / MICRO,
        "dur": (end_seconds - start_seconds) / MICRO,
    }


def _counter(log: RunLog, name: str, begin: str, end: str) -> Iterator[dict[str, Any]]:
    """Yield how many requests are between two instants of theirs, at every change.

    Who leaves at the instant at which another comes counts no more: the two may share a place.
    """
    begins, ends = log.ledger.column(begin), log.ledger.column(end)
    both = np.isfinite(begins) & np.isfinite(ends)
    times, instants = np.unique(np.concatenate((begins[both], ends[both])), return_inverse=True)
    changes = np.repeat((1.0, -1.0), both.sum())
    counts = np.cumsum(np.bincount(instants, weights=changes, minlength=len(times)))
    for at, count in zip(times.tolist(), counts.tolist(), strict=True):
        yield {"ph": "C", "pid": 1, "name": name, "ts": at / MICRO, "args": {name: int(count)}}
