"""What-ifs, which can take a processor for long: one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from serving.gateway_thread import HeldGateway
from serving.test_overload import wait_for


def test_another_what_if_is_refused_while_one_is_simulated() -> None:
    with HeldGateway() as thread, ThreadPoolExecutor() as pool:
        url = f"{thread.url}/edgebatch/what-if"
        first = pool.submit(httpx.get, url, timeout=60)
        assert thread.held.has_begun.wait(60)
        refused = httpx.get(url, params={"load_factor": 2})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["x-llm-d-request-dropped-reason"] == "what_if_running"
        error = refused.json()["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "what_if_running")
        assert error["message"].startswith("another what-if is being simulated; try again in ")
        # what is not simulated goes on
        assert httpx.get(f"{thread.url}/edgebatch/state").status_code == 200
        thread.held.may_go.set()
        assert first.result().json()["requests"] == 2
        assert httpx.get(url, timeout=60).status_code == 200


def test_a_what_if_whose_client_goes_away_keeps_others_out_until_it_is_done() -> None:
    with HeldGateway() as thread:
        url = f"{thread.url}/edgebatch/what-if"
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(url, timeout=0.5)
        assert thread.held.has_begun.wait(60)
        assert httpx.get(url).status_code == 429
        thread.held.may_go.set()
        wait_for(lambda: httpx.get(url, timeout=60).status_code == 200)
