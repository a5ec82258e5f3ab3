"""The event kernel: order of time, then of kind, then of scheduling."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from edgebatch.scheduling import Priority
from edgebatch.simulation.kernel import EventQueue


@given(
    events=st.lists(st.tuples(st.sampled_from((0.0, 1.0, 2.5)), st.sampled_from(Priority))),
)
def test_events_happen_in_total_order(events: list[tuple[float, Priority]]) -> None:
    queue = EventQueue()
    happened: list[tuple[float, tuple[float, Priority, int]]] = []

    def note(entry: tuple[float, Priority, int]) -> None:
        happened.append((queue.now, entry))

    for serial, (at, priority) in enumerate(events):
        queue.schedule(at, priority, partial(note, (at, priority, serial)))
    queue.run()
    assert [entry for _, entry in happened] == sorted(entry for _, entry in happened)
    assert len(happened) == len(events)
    assert all(now == entry[0] for now, entry in happened)


def test_nothing_happens_in_the_past() -> None:
    queue = EventQueue()
    happened: list[float] = []

    def late() -> None:
        happened.append(queue.now)

    queue.schedule(2.0, Priority.FINISH, lambda: queue.schedule(1.0, Priority.FINISH, late))
    queue.run()
    assert happened == [2.0]
