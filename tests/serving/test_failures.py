"""What the log says of requests that got no answer as the engine failed at them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgebatch.engines import Progress, Prompt
from edgebatch.serving.failures import without_text
from edgebatch.serving.ticket import Ticket
from edgebatch.workload import Arrival
from misbehaving_server import MisbehavingServer
from serving.fuzzing import gateway_process
from serving.test_overload import wait_for
from toy_profile import toy_profile

PROMPT = "raw:the pomegranates of\nSamarkand are ripe"


def ticket(prompt: Prompt, answer: str = "") -> Ticket:
    arrival = Arrival(0, 0.0, 1, 1, 1, 1.0)
    made = Ticket(arrival, prompt, {})
    made.note_progress(Progress(0, 1, answer))
    return made


@contextmanager
def gateway(url: str, folder: Path) -> Iterator[tuple[str, Path]]:
    profile, log = folder / "profile.toml", folder / "log.jsonl"
    toy_profile().save(profile)
    servers = ("--engine", "openai", "--url", f"w8={url}", "--profile", str(profile))
    with gateway_process(log, *servers, "--precision", "w8") as own:
        yield own, log


def lines(log: Path, event: str) -> list[dict[str, Any]]:
    told = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return [line for line in told if line["event"] == event]


def test_the_log_says_why_a_request_failed_and_has_nothing_of_its_text(tmp_path: Path) -> None:
    prompts = {
        "boom": "status:500:boom",
        "echo": "status:500:cannot read pomegranates",
        "quote": PROMPT,
        "refused": "status:400:no such field",
        "served": "say:persimmon",
    }
    with MisbehavingServer().serving() as url, gateway(url, tmp_path) as (own, log):
        statuses = {}
        for name, prompt in prompts.items():
            body, names = {"prompt": prompt, "max_tokens": 8}, {"x-request-id": name}
            answer = httpx.post(f"{own}/v1/completions", json=body, headers=names, timeout=30)
            statuses[name] = answer.status_code
    assert statuses == {"boom": 503, "echo": 503, "quote": 503, "refused": 400, "served": 200}
    failed = {line["request_id"]: line for line in lines(log, "answer failed")}
    assert set(failed) == {"boom", "echo", "quote"}  # what is refused, whoever asked is told
    assert failed["boom"]["error"] == f"{url}: 500: boom"
    assert failed["echo"]["error"] == f"{url}: 500: …"
    assert failed["quote"]["error"] == f"{url}: an event that is not understood: …"
    boom = failed["boom"]
    assert (boom["engine"], boom["precision"], boom["num_tokens"]) == ("openai", "w8", 0)
    assert failed["quote"]["num_tokens"] == 1
    assert boom["level"] == "warning"
    for word in ("pomegranate", "Samarkand", "persimmon"):
        assert word not in log.read_text(encoding="utf-8")


def test_the_log_says_why_a_request_was_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with gateway_process(log, "--engine", "simulated") as url:
        for body in ({"prompt": "a", "slo_e2e_ms": 0.1}, {}, {"prompt": "a"}):
            httpx.post(f"{url}/v1/completions", json=body, timeout=30)
        # a request's line is written once its answer has gone out
        wait_for(lambda: len(lines(log, "request")) == 3)
    told = [(line["status"], line.get("refusal")) for line in lines(log, "request")]
    assert told == [(422, "deadline_too_short"), (400, "invalid_value"), (200, None)]


def test_who_is_lost_with_the_server_is_in_the_log_with_what_became_of_it(tmp_path: Path) -> None:
    body = {"prompt": "drip:1000", "max_tokens": 8, "stream": True}
    names = {"x-request-id": "lost"}
    with ExitStack() as serving:
        url = serving.enter_context(MisbehavingServer().serving())
        with (
            gateway(url, tmp_path) as (own, log),
            httpx.stream("POST", f"{own}/v1/completions", json=body, headers=names) as answer,
        ):
            events = answer.iter_lines()
            next(events)
            serving.close()
            list(events)
            [line] = lines(log, "answer failed")
    assert line["request_id"] == "lost"
    assert line["num_tokens"] > 0
    assert line["error"].startswith(f"no answer from {url}: ")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("the server's context of 64 tokens was full", None),
        ("http://[::1]:80/v1: [Errno 104] Connection reset by peer", None),
        ("CUDA out of memory (GPU 0)", None),
        ("no template for 'Once upon'", "no template for …"),
        ('last read: "Once', "last read: …"),
        ("tokens [15, 22] are too many", "tokens …"),
        ("b'Once'", "b …"),
        ("<html>Once", " …"),
        ("failed\nOnce", "failed …"),
        ("I was told Once upon a time there was", "I was told …"),
        ("I was told Once  upon a\ttime there was", "I was told …"),
        ("I said a king and a queen", "I said …"),
        ("x" * 300, "x" * 200 + " …"),
    ],
)
def test_a_message_is_cut_before_it_can_repeat_what_was_asked_or_answered(
    said: str, told: str | None
) -> None:
    asked = ticket(Prompt(text="Once upon a\n time"), " a king and a queen lived")
    assert without_text(said, asked) == (said if told is None else told)


def test_conversations_and_short_prompts_are_not_repeated_either() -> None:
    said = {"role": "user", "content": "Peggy's number"}
    assert without_text("no: Peggy's number", ticket(Prompt(messages=(said,)))) == "no: …"
    # this would be half of all messages
    assert without_text("it broke", ticket(Prompt(text="it"))) == "it broke"
