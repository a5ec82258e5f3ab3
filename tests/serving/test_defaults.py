"""What requests demand that say nothing themselves: their key's defaults, then the gateway's."""

from __future__ import annotations

import httpx
import pytest

from edgebatch.serving.keys import hash_key
from serving.gateway_thread import GatewayThread

KEYS = [
    {"name": "eager", "sha256": hash_key("a"), "defaults": {"max_tokens": 8, "priority": -3}},
    {"name": "plain", "sha256": hash_key("b")},
]


def ask(thread: GatewayThread, key: str, **demands: object) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(
        f"{thread.url}/v1/completions", json={"prompt": "Once", **demands}, headers=headers
    )


@pytest.mark.parametrize(("key", "num_tokens"), [("a", 3), ("b", 2)])
def test_no_default_exceeds_what_nobody_may_exceed(key: str, num_tokens: int) -> None:
    limits, defaults = {"max_tokens": 3}, {"max_tokens": 2}
    with GatewayThread(keys=KEYS, limits=limits, defaults=defaults) as thread:
        answer = ask(thread, key)
    assert answer.json()["usage"]["completion_tokens"] == num_tokens


def test_priorities_have_defaults_like_all_demands() -> None:
    values: list[float] = []
    with GatewayThread(keys=KEYS, defaults={"max_tokens": 1, "priority": 2}) as thread:
        thread.gateway.on_end.append(lambda ticket, _: values.append(ticket.arrival.value))
        for key in "ab":
            assert ask(thread, key).status_code == 200
            assert ask(thread, key, priority=0).status_code == 200
    # each step towards urgency doubles: of the key -3, of the gateway 2
    assert values == [8.0, 1.0, 0.25, 1.0]
