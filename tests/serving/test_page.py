"""What the operator's page is made of, and what it reads."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

import edgebatch.serving
from edgebatch.scheduling import Outcome, Reason
from edgebatch.serving.keys import hash_key
from edgebatch.serving.last_minute import LastMinute
from serving.gateway_thread import GatewayThread
from serving.test_overload import LONG, ask, outcomes, wait_for
from serving.unanswered import asking

FOLDER = Path(edgebatch.serving.__file__).parent / "page"


def test_every_part_that_the_page_names_is_there_and_may_only_use_its_own_server() -> None:
    with GatewayThread() as thread:
        page = httpx.get(thread.url)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        named = re.findall(r'(?:src|href)="(edgebatch/page/[^"]+)"', page.text)
        assert len(named) == 6
        for script in (FOLDER / "parts").glob("*.js"):
            imports = re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8"))
            named += [f"edgebatch/page/{name}" for name in imports]
        assert "edgebatch/page/words.js" in named
        for answer in (page, *(httpx.get(f"{thread.url}/{name}") for name in named)):
            assert answer.status_code == 200
            assert answer.headers["content-security-policy"].startswith("default-src 'self';")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-cache"


def test_what_is_known_is_not_sent_again() -> None:
    with GatewayThread() as thread:
        url = f"{thread.url}/edgebatch/page/page.js"
        tag = httpx.get(url).headers["etag"]
        assert httpx.get(url, headers={"if-none-match": tag}).status_code == 304


def test_nothing_but_the_parts_is_served() -> None:
    with GatewayThread() as thread:
        for path in ("index.html", "..%2Findex.html", "%2e%2e/%2e%2e/app.py", "none.js", ""):
            answer = httpx.get(f"{thread.url}/edgebatch/page/{path}")
            assert answer.status_code == 404, path
            assert answer.json()["error"]["code"] == "not_found"
        assert httpx.post(thread.url).status_code == 405


def test_no_part_names_another_server_or_takes_text_for_markup() -> None:
    own = [FOLDER / "index.html", *(FOLDER / "parts").glob("*.*s")]
    assert len(own) > 8
    for path in own:
        text = path.read_text(encoding="utf-8")
        assert "//" not in re.sub(r"(^|\s)//\s", "", text), path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), path.name


def test_the_library_comes_with_its_licence() -> None:
    folder = FOLDER / "parts" / "uplot"
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")
    script = (folder / "uPlot.iife.min.js").read_text(encoding="utf-8")
    assert re.match(r"/\*! https://github.com/leeoniya/uPlot \(v[\d.]+\) \*/", script)


def test_anyone_may_load_the_page_but_only_keys_see_the_state() -> None:
    keys = [{"name": "alice", "sha256": hash_key("secret-a")}]
    with GatewayThread(keys=keys) as thread:
        assert httpx.get(thread.url).status_code == 200
        url = f"{thread.url}/edgebatch/state"
        assert httpx.get(url).status_code == 401
        seen = httpx.get(url, headers={"authorization": "Bearer secret-a"})
        assert seen.json()["state"] == "ready"
        paths = httpx.get(f"{thread.url}/openapi.json").json()["paths"]
        assert "/" not in paths


def test_a_minute_forgets_what_is_older_to_the_second() -> None:
    minute = LastMinute()
    for tenth in range(0, 1200):  # ten a second for two minutes: 0.0 … 119.9
        outcome = Outcome.IN_TIME if tenth % 4 else Outcome.EXPIRED
        reason = Reason.NONE if tenth % 4 else Reason.WAITED_TOO_LONG
        minute.note(tenth / 10, outcome, reason)
    # at 119.95 the seconds 60 … 119 count: 600 ends, three of four of them in time
    told = minute.told(119.95)
    assert (told["requests"], told["in_time_share"]) == (600, 0.75)
    assert told["ends"] == [
        {"outcome": "in_time", "reason": "none", "count": 450},
        {"outcome": "expired", "reason": "waited_too_long", "count": 150},
    ]
    assert minute.told(120.0)["requests"] == 590
    assert minute.told(1000.0) == {"requests": 0, "in_time_share": None, "ends": []}


def test_those_turned_away_at_a_full_queue_count_in_the_last_minute() -> None:
    with GatewayThread("rolling:batch_cap=1", limits={"queue": 2}) as thread:
        for _ in range(3):
            assert ask(thread.url, max_tokens=2).status_code == 200
        with asking(thread.url, [LONG] * 3):
            wait_for(lambda: thread.gateway.dispatcher.num_waiting == 2)
            for _ in range(3):
                assert ask(thread.url).status_code == 429
            minute = httpx.get(f"{thread.url}/edgebatch/state").json()["last_minute"]
        # three were answered and three turned away; one runs and two wait
        assert (minute["requests"], minute["in_time_share"]) == (6, 0.5)
        assert {"outcome": "rejected", "reason": "queue_full", "count": 3} in minute["ends"]


def test_an_answer_is_shown_with_its_length_and_both_times() -> None:
    with GatewayThread() as thread:
        ask(thread.url, max_tokens=20)
        (shown,) = httpx.get(f"{thread.url}/edgebatch/state").json()["recent"]
        assert (shown["outcome"], shown["precision"]) == ("in_time", "w8")
        assert (shown["num_tokens"], shown["output_tokens"]) == (20, 20)
        # 20 steps of 10 ms; what else passed is the machine's affair
        assert 0.19 < shown["predicted_seconds"] < 2.0
        assert shown["actual_seconds"] >= 0.19


def test_who_runs_is_shown_with_the_end_that_is_believed_now() -> None:
    with GatewayThread() as thread, asking(thread.url, [{**LONG, "max_tokens": 3000}]):
        url = f"{thread.url}/edgebatch/state"
        wait_for(lambda: httpx.get(url).json()["running"])
        (shown,) = httpx.get(url).json()["running"]
        left = shown["output_tokens"] - shown["num_tokens"]
        # 10 ms a token that is left, whatever was believed at first
        pace = httpx.get(url).json()["pace"]
        assert abs(shown["believed_end_in_seconds"] / (0.01 * left * pace) - 1) < 0.2
        assert abs(shown["age_seconds"] + shown["deadline_in_seconds"] - 1000.0) < 1e-6
    assert outcomes(thread) == {("cancelled", "client_gone"): 1}
