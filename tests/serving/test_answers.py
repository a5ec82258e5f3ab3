"""What answers say of how they came about."""

from __future__ import annotations

from edgebatch.engines import Prompt
from edgebatch.realtime import Joined
from edgebatch.serving.answers import fulfilment_headers
from edgebatch.serving.ticket import Ticket
from edgebatch.workload import Arrival


def test_headers_call_a_precision_by_its_name() -> None:
    arrival = Arrival(0, 1.0, 1, 1, 1, deadline_seconds=2.0)
    ticket = Ticket(arrival, Prompt(text="a"), {})
    ticket.note_joined(Joined("Q8_0", at_seconds=1.5, believed_end_seconds=2.5))
    assert fulfilment_headers(ticket) == {
        "x-edgebatch-deadline-ms": "2000.0",
        "x-edgebatch-precision": "Q8_0",
        "x-edgebatch-queued-ms": "500.0",
        "x-edgebatch-predicted-ms": "1500.0",
    }
