"""Requests per second that a gateway answers, streams and turns away, beside LiteLLM's proxy.

Every round measures each server in turn, so that what else the machine does meets them all; the
table has medians over rounds.
"""

from __future__ import annotations

import http.client
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import contestants
import psutil
import typer
from capacity_table import Burst, show
from contestants import LONGEST_MS, Server
from trivial_upstream import MODEL, TOKENS

PATH = "/v1/chat/completions"
SPARE_SECONDS = 60.0
"""By how much a burst may take longer than it should before it is given up."""


class Kind(NamedTuple):
    """What is asked, and the status that it should get."""

    name: str
    told: str
    status: str
    asked: dict[str, object]


def _asked(word: str, **more: object) -> dict[str, object]:
    messages = [{"role": "user", "content": word}]
    return {"model": MODEL, "max_tokens": TOKENS, "messages": messages, **more}


WHOLE = Kind("whole", f"answers of {TOKENS} tokens in one piece", "200", _asked("at once"))
STREAMED = Kind("streamed", f"{TOKENS} tokens, one every 2 ms", "200", _asked("paced", stream=True))
REJECTED = Kind("rejected", "turned away because there are too many", "429", _asked("at once"))
HOPELESS = Kind(
    "hopeless", "turned away by the scheduler", "422", _asked("at once", min_quality=0.99)
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A kind of request, and those who get it."""

    kind: Kind
    servers: tuple[Server, ...]


def main(
    rounds: Annotated[int, typer.Option(help="how often each is measured", min=1)] = 5,
    seconds: Annotated[float, typer.Option(help="how long, each time", min=0.5)] = 2.0,
    connections: Annotated[list[int] | None, typer.Option(help="1, 8 and 64 by default")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="rolling by default")] = None,
    kinds: Annotated[str, typer.Option(help="of requests")] = "whole,streamed,rejected,hopeless",
    with_litellm: Annotated[bool, typer.Option("--litellm/--no-litellm")] = True,
    results: Annotated[Path | None, typer.Option(help="JSON file for every burst")] = None,
) -> None:
    bursts: list[Burst] = []
    wanted = kinds.split(",")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        trials = _trials(stack, Path(folder), policy or ["rolling"], with_litellm)
        trials = [each for each in trials if each.kind.name in wanted]
        for trial in trials:
            for server in trial.servers:  # what is done only once is done now
                _burst(-1, trial.kind, server, 8, 1.0)
        for number in range(rounds):
            bursts.extend(_round(number, trials, connections or [1, 8, 64], seconds))
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    if results is not None:
        results.write_text(json.dumps(_document(bursts), indent=1) + "\n")
    for trial in trials:
        of_kind = [each for each in bursts if each.kind == trial.kind.name]
        show(f"{trial.kind.name}: {trial.kind.told}", of_kind)


def _trials(stack: ExitStack, folder: Path, policies: list[str], with_litellm: bool) -> list[Trial]:
    """Start all servers."""
    direct = stack.enter_context(contestants.upstream())
    behind: list[Server] = []
    full: list[Server] = []
    alone: list[Server] = []
    for policy in policies:
        start = contestants.edgebatch
        gateway = start(f"edgebatch {policy}", folder, policy=policy, url=direct.url)
        behind.append(stack.enter_context(gateway))
        gateway = start(f"edgebatch {policy}, simulated engine", folder, policy=policy)
        alone.append(stack.enter_context(gateway))
        capped = f"{policy}:batch_cap=1"
        gateway = start(f"edgebatch {policy}", folder, policy=capped, url=direct.url, queue=1)
        full.append(stack.enter_context(gateway))
        stack.enter_context(_filled(full[-1]))
    hopeless = tuple(behind)
    if with_litellm:
        proxy = contestants.litellm("LiteLLM", folder, url=direct.url)
        behind.append(stack.enter_context(proxy))
        limited = contestants.litellm("LiteLLM limited", folder, url=direct.url, per_minute=1)
        full.append(stack.enter_context(limited))
    answering = (direct, *behind, *alone)
    return [
        Trial(WHOLE, answering),
        Trial(STREAMED, answering),
        Trial(REJECTED, tuple(full)),
        Trial(HOPELESS, hopeless),
    ]


@contextmanager
def _filled(server: Server) -> Iterator[None]:
    """Occupy a gateway that has room for one in the engine and one who waits."""
    body = _asked("slow", stream=True) | {"max_tokens": 4000, "slo_e2e_ms": LONGEST_MS}
    held = [http.client.HTTPConnection(urlsplit(server.url).netloc) for _ in range(2)]
    for connection in held:
        connection.request("POST", PATH, json.dumps(body), {"content-type": "application/json"})
    try:
        yield
    finally:
        for connection in held:
            connection.close()


def _round(
    number: int, trials: list[Trial], connections: list[int], seconds: float
) -> Iterator[Burst]:
    for trial in trials:
        for many in connections:
            for server in _turned(trial.servers, number):
                yield _burst(number, trial.kind, server, many, seconds)


def _turned(servers: tuple[Server, ...], number: int) -> tuple[Server, ...]:
    """Let each round begin with another server."""
    start = number % len(servers)
    return servers[start:] + servers[:start]


def _burst(number: int, kind: Kind, server: Server, connections: int, seconds: float) -> Burst:
    script = Path(__file__).with_name("closed_loop.py")
    command = [sys.executable, str(script), server.url + PATH, json.dumps(kind.asked)]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    before = server.cpu_seconds()
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=seconds + SPARE_SECONDS
    )
    told: dict[str, Any] = json.loads(done.stdout)
    cpu_seconds = server.cpu_seconds() - before
    right = told["statuses"].get(kind.status, 0)
    # LiteLLM lets one in every minute where it should turn all away
    if number >= 0 and right < told["requests"] - 1 - told["seconds"] / 30.0:
        raise RuntimeError(f"{server.name}, {kind.name}: {told['statuses']}, not {kind.status}")
    return Burst(
        round=number,
        kind=kind.name,
        connections=connections,
        server=server.name,
        cpu_seconds=cpu_seconds,
        **told,
    )


def _document(bursts: list[Burst]) -> dict[str, object]:
    return {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": psutil.cpu_count(),
        "litellm": contestants.LITELLM,
        "bursts": [each._asdict() for each in bursts],
    }


if __name__ == "__main__":
    typer.run(main)
