"""What answers say of how they came about."""

from __future__ import annotations

import httpx
import pytest

from edgebatch.engines import Prompt
from edgebatch.realtime import Joined
from edgebatch.scheduling import RequestRecord
from edgebatch.serving.answers import fulfilment_headers
from edgebatch.serving.ticket import Ticket
from edgebatch.workload import Arrival
from serving.gateway_thread import DOCUMENT, GatewayThread


class _FarAway(GatewayThread):
    """Answers take a minute from the last token to their clients, or so it is believed."""

    document = DOCUMENT | {"node": DOCUMENT["node"] | {"downlink_seconds": 60.0}}


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


def test_times_told_end_with_the_last_token_and_promises_with_the_way_to_the_client() -> None:
    records: list[RequestRecord] = []
    with _FarAway() as thread:
        thread.gateway.on_end.append(lambda _, record: records.append(record))
        body = {"prompt": "Once", "max_tokens": 2, "slo_e2e_ms": 1e6}
        answer = httpx.post(f"{thread.url}/v1/completions", json=body, timeout=60)
        (shown,) = httpx.get(f"{thread.url}/edgebatch/state").json()["recent"]
        metrics = httpx.get(f"{thread.url}/metrics").text.splitlines()
    (record,) = records
    taken = record.last_token_at_seconds - record.arrival_seconds
    assert record.finished_at_seconds == pytest.approx(record.last_token_at_seconds + 60.0)
    assert answer.json()["edgebatch"]["actual_ms"] == pytest.approx(1e3 * taken, abs=1e-3)
    assert shown["actual_seconds"] == pytest.approx(taken)
    told = next(line for line in metrics if line.startswith("vllm:e2e_request_latency_seconds_sum"))
    assert float(told.split()[1]) == pytest.approx(taken)


def test_who_asked_for_an_early_first_token_is_told_the_deadline_that_was_missed() -> None:
    body = {"prompt": "Once", "max_tokens": 2}
    with GatewayThread("continuous") as thread:
        # nobody is turned away for time, and a step takes 10 ms
        asked = body | {"slo_ttft_ms": 5}
        late = httpx.post(f"{thread.url}/v1/completions", json=asked, timeout=60)
        without = httpx.post(f"{thread.url}/v1/completions", json=body, timeout=60)
    told = late.json()["edgebatch"]
    assert told["actual_ms"] < told["deadline_ms"]
    assert (told["ttft_deadline_ms"], told["deadline_met"]) == (5.0, False)
    assert told["ttft_ms"] > 5.0
    assert late.headers["x-edgebatch-ttft-deadline-ms"] == "5.0"
    assert "ttft_deadline_ms" not in without.json()["edgebatch"]
