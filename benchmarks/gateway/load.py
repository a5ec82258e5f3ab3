"""Clients in a process of their own, which ask at the instants that a plan says.

    python load.py plan.jsonl --url http://127.0.0.1:8080/v1/completions --results told.csv

Each line of the plan has ``at_seconds``, ``deadline_seconds`` and the ``body`` that is sent as it
is. Every client has a connection of its own, takes its answer as a stream and hangs up when it has
waited for so many times its deadline. All times are of the clients' clock; how late an answer is
counts from when its client began to connect. At the end one line of JSON says what the load took
itself.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from streams import Asked, Target, Told, ask

KEY_VARIABLE = "EDGEBATCH_LOAD_KEY"


async def open_loop(target: Target, plan: Sequence[Asked], patience: float) -> list[Told]:
    """Ask at the planned instants, whatever has become of those before."""
    requests = [target.request(asked.body) for asked in plan]
    began_at = time.monotonic() + 0.2
    clients: list[asyncio.Task[Told]] = []
    for number, (asked, request) in enumerate(zip(plan, requests, strict=True)):
        await asyncio.sleep(began_at + asked.at_seconds - time.monotonic())
        waits = patience * asked.deadline_seconds
        clients.append(asyncio.create_task(ask(target, request, asked, waits, number)))
    told = await asyncio.gather(*clients)
    return [
        _since(began_at, each)._replace(due_seconds=asked.at_seconds)
        for each, asked in zip(told, plan, strict=True)
    ]


async def closed_loop(
    target: Target, plan: Sequence[Asked], patience: float, clients: int, seconds: float
) -> list[Told]:
    """Let so many clients ask one request after the other, for so long; only whole ones count."""
    began_at = time.monotonic()
    left = iter(enumerate(plan))
    told: list[Told] = []

    async def ask_on() -> None:
        for number, asked in left:
            if time.monotonic() >= began_at + seconds:
                return
            waits = patience * asked.deadline_seconds
            told.append(await ask(target, target.request(asked.body), asked, waits, number))

    await asyncio.gather(*(ask_on() for _ in range(clients)))
    return [_since(began_at, each) for each in told]


def _since(began_at: float, told: Told) -> Told:
    return told._replace(
        sent_seconds=round(told.sent_seconds - began_at, 6),
        first_seconds=round(told.first_seconds - began_at, 6) if told.first_seconds >= 0.0 else -1,
        last_seconds=round(told.last_seconds - began_at, 6),
    )


def read_plan(path: Path) -> list[Asked]:
    """Return the requests of a plan."""
    return [Asked(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def write_plan(path: Path, plan: Iterable[Asked]) -> None:
    """Write a plan."""
    path.write_text("".join(json.dumps(asked._asdict()) + "\n" for asked in plan), "utf-8")


def read_told(path: Path) -> list[Told]:
    """Return what came of the requests of a run."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Told(**{name: _TYPES[name](value) for name, value in row.items()})
            for row in csv.DictReader(file)
        ]


_TYPES: dict[str, Any] = {
    **dict.fromkeys(Told._fields, float),
    **dict.fromkeys(("number", "status", "tokens"), int),
    "end": str,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("--url", required=True, help=f"its key, if any, comes by {KEY_VARIABLE}")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--patience", type=float, default=3.0, help="times the deadline")
    parser.add_argument("--clients", type=int, help="so many, one request after the other")
    parser.add_argument("--seconds", type=float, default=10.0, help="with --clients")
    given = parser.parse_args()
    target = Target(given.url, os.environ.get(KEY_VARIABLE, ""))
    plan = read_plan(given.plan)
    before, began_at = time.process_time(), time.monotonic()
    if given.clients is None:
        run = open_loop(target, plan, given.patience)
    else:
        run = closed_loop(target, plan, given.patience, given.clients, given.seconds)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        told = runner.run(run)
    spent = {
        "wall_seconds": time.monotonic() - began_at,
        "cpu_seconds": time.process_time() - before,
    }
    with given.results.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Told._fields)
        writer.writerows(told)
    json.dump(spent, sys.stdout)


def _loop_factory() -> Any:
    """Return the quickest event loop that there is: it takes the least from the engine."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
