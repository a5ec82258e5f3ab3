"""A gateway under four times what it can carry, among rude clients, with an engine that is killed.

Ends with a table of what must hold, and with status 1 if something does not.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

import httpx
import psutil
import typer
from clients import Crowd
from engine_killer import EngineKiller, memory_bytes
from rich.console import Console
from rich.table import Table

SETTINGS = {
    "EDGEBATCH_LIMITS__QUEUE": "64",
    "EDGEBATCH_LIMITS__HEADERS_SECONDS": "2",
    "EDGEBATCH_LIMITS__BODY_SECONDS": "2",
    "EDGEBATCH_LIMITS__SEND_SECONDS": "5",
    "EDGEBATCH_LOG_LEVEL": "warning",
}
SAMPLE_SECONDS = 2.0
SETTLE_SECONDS = 90.0
"""Longer than the gateway keeps an idle connection, or takes to start a broken engine again."""
MOST_CLIENTS = 2000
"""Beyond so many at once a load generator on the same machine tests itself."""


class Sample(NamedTuple):
    """The gateway at an instant."""

    gateway_bytes: int
    engine_processes: int
    engine_bytes: int
    open_files: int
    tasks: float
    page_seconds: float


@dataclass(frozen=True, slots=True)
class Books:
    """What ``/metrics`` says of requests."""

    received: float
    unfinished: float
    ends: Counter[str]

    @property
    def difference(self) -> float:
        """0 if every request that was received has ended or not ended."""
        return self.received - self.unfinished - sum(self.ends.values())


class Check(NamedTuple):
    """One row of the verdict."""

    name: str
    found: str
    wanted: str
    holds: bool


def main(
    engine: Annotated[str, typer.Option(help="as edgebatch serve takes it")] = (
        "simulated:time_factor=10"
    ),
    minutes: Annotated[float, typer.Option(help="how long", min=0.2)] = 30.0,
    load: Annotated[float, typer.Option(help="multiple of what was served when asked politely")] = (
        4.0
    ),
    kill_seconds: Annotated[float, typer.Option(help="the engine is killed so often", min=10)] = (
        180.0
    ),
    max_tokens: Annotated[int, typer.Option(help="longest answer", min=4)] = 64,
    batch_cap: Annotated[int, typer.Option(help="most requests at once", min=1)] = 8,
    slowest_page_seconds: Annotated[float, typer.Option(help="95th percentile of the page")] = 1.0,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        policy = f"rolling:batch_cap={batch_cap}"
        command = [sys.executable, "-m", "edgebatch", "serve", "--engine", engine, "--port", "0"]
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*command, "--policy", policy],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **SETTINGS},
            )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            soak = Soak(url, process, kill_seconds, max_tokens)
            asyncio.run(soak.run(60.0 * minutes, load))
            process.send_signal(signal.SIGTERM)
            status = process.wait(60)
        finally:
            process.kill()
        checks = [*soak.checks(slowest_page_seconds), *_of_end(status, log)]
    _show(engine, soak, checks)
    raise typer.Exit(0 if all(check.holds for check in checks) else 1)


class Soak:
    """One run.

    Args:
        url: of the gateway.
        process: its process.
        kill_seconds: how often its engine is killed.
        max_tokens: longest answer.
    """

    def __init__(
        self, url: str, process: subprocess.Popen[str], kill_seconds: float, max_tokens: int
    ) -> None:
        self._url, self._gateway = url, psutil.Process(process.pid)
        self._kill_seconds, self._max_tokens = kill_seconds, max_tokens
        self._samples: list[Sample] = []
        self._draw = random.Random(1)
        self.num_left_out = 0
        self.rate_per_second = 0.0

    async def run(self, seconds: float, load: float) -> None:
        """Ask politely to see what can be carried, then impolitely, then wait until all is over."""
        async with httpx.AsyncClient(timeout=30) as client:
            self._client = client
            self._killer = EngineKiller(client, self._url, self._gateway)
            capacity = await self._capacity()
            self._before = await self._sample()
            self.rate_per_second = load * capacity
            self.crowd = Crowd(self._url, self._max_tokens, (1000, 3000, 10_000, 30_000))
            others = [asyncio.create_task(self._watch())]
            if self._before.engine_processes:
                others.append(asyncio.create_task(self._killer.kill_every(self._kill_seconds)))
            await self._send(seconds)
            for each in others:
                each.cancel()
            ends = await asyncio.gather(*others, return_exceptions=True)
            self.troubles = [repr(end) for end in ends if isinstance(end, Exception)]
            await self.crowd.close()
            self.after = await self._settled()
            self.books = await self._books()
            self.restarts = await self._metric("edgebatch_engine_restarts")

    async def _capacity(self) -> float:
        """Return how many requests a second are served to sixteen who ask one after the other."""
        crowd = Crowd(self._url, self._max_tokens, (30_000,))
        until = time.monotonic() + 8.0

        async def ask_on() -> None:
            while time.monotonic() < until:
                await crowd.ask()

        began_at = time.monotonic()
        await asyncio.gather(*(ask_on() for _ in range(16)))
        await crowd.close()
        return max(1.0, crowd.counts["200"] / (time.monotonic() - began_at))

    async def _send(self, seconds: float) -> None:
        clients: set[asyncio.Task[None]] = set()
        until = at = time.monotonic()
        until += seconds
        while max(at, time.monotonic()) < until:
            at += self._draw.expovariate(self.rate_per_second)
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            if len(clients) >= MOST_CLIENTS:
                self.num_left_out += 1
                continue
            client = asyncio.create_task(self.crowd.send())
            clients.add(client)
            client.add_done_callback(clients.discard)
        await asyncio.gather(*clients)

    async def _watch(self) -> None:
        while True:
            self._samples.append(await self._sample())
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _sample(self) -> Sample:
        began_at = time.monotonic()
        (await self._client.get(f"{self._url}/edgebatch/state")).raise_for_status()
        page_seconds = time.monotonic() - began_at
        engine = self._killer.engine_processes()
        return Sample(
            self._gateway.memory_info().rss,
            len(engine),
            memory_bytes(engine),
            self._gateway.num_fds(),
            await self._metric("edgebatch_asyncio_tasks"),
            page_seconds,
        )

    async def _settled(self) -> Sample:
        """Return the gateway when all is over, the engine is back, and idle connections closed."""
        until = time.monotonic() + SETTLE_SECONDS
        sample = await self._sample()
        while time.monotonic() < until:
            sample = await self._sample()
            if self._is_as_before(sample) and await self._is_over():
                break
            await asyncio.sleep(1.0)
        return sample

    async def _is_over(self) -> bool:
        return await self._killer.is_up() and (await self._books()).unfinished == 0

    def _is_as_before(self, sample: Sample) -> bool:
        before = self._before
        return (
            sample.engine_processes == before.engine_processes
            and sample.open_files <= before.open_files
            and sample.tasks <= before.tasks
        )

    async def _text(self) -> str:
        return (await self._client.get(f"{self._url}/metrics")).text

    async def _metric(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", await self._text(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def _books(self) -> Books:
        text = await self._text()
        plain = dict(re.findall(r"^(edgebatch_\w+) (\S+)$", text, re.MULTILINE))
        ends: Counter[str] = Counter()
        for labels, count in re.findall(
            r"^edgebatch_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE
        ):
            told = dict(re.findall(r'(\w+)="(\w*)"', labels))
            ends[f"{told['outcome']}, {told['reason']}"] += int(float(count))
        return Books(
            float(plain["edgebatch_requests_received_total"]),
            float(plain["edgebatch_requests_unfinished"]),
            ends,
        )

    def checks(self, slowest_page_seconds: float) -> Iterator[Check]:
        """Yield what must hold, and whether it does."""
        books, after, before = self.books, self.after, self._before
        yield Check(
            "received − ended − unfinished", f"{books.difference:g}", "0", books.difference == 0
        )
        yield Check("unfinished at the end", f"{books.unfinished:g}", "0", books.unfinished == 0)
        wrong = {
            told: count
            for told, count in self.crowd.counts.items()
            if told.startswith("broken") or told == "rubbish waited for" or told[:1] == "5"
        }
        if self._killer.num_kills:
            wrong.pop("503", None)
        yield Check("wrong answers", json.dumps(wrong), "{}", not wrong)
        yield self._flat("memory of the gateway", "gateway_bytes", 0.1, 10e6)
        if before.engine_processes:
            yield self._flat("memory of the engine", "engine_bytes", 0.1, 50e6)
            yield from self._engine_checks()
        yield Check("troubles of the soak itself", "; ".join(self.troubles), "", not self.troubles)
        files = f"{before.open_files} → {after.open_files}"
        yield Check("open files", files, "no more", after.open_files <= before.open_files)
        tasks = f"{before.tasks:g} → {after.tasks:g}"
        yield Check("tasks", tasks, "no more", after.tasks <= before.tasks)
        pages = sorted(sample.page_seconds for sample in self._samples)
        page = pages[int(0.95 * (len(pages) - 1))]
        yield Check(
            "page, 95th percentile",
            f"{page:.3f} s",
            f"≤ {slowest_page_seconds:g} s",
            page <= slowest_page_seconds,
        )

    def _engine_checks(self) -> Iterator[Check]:
        num_kills = self._killer.num_kills
        yield Check(
            "restarts", f"{self.restarts:g}", f"{num_kills} kills", self.restarts == num_kills
        )
        wanted = self._before.engine_processes
        most = max(sample.engine_processes for sample in self._samples)
        yield Check(
            "processes of the engine",
            f"{self.after.engine_processes}, at most {most}",
            str(wanted),
            self.after.engine_processes == most == wanted,
        )

    def _flat(self, name: str, field: str, part: float, most_bytes: float) -> Check:
        """Compare the last third of a run to the second; the first one warms up.

        A killed engine has no memory until it is back.
        """
        values = [value for sample in self._samples if (value := getattr(sample, field))]
        third = len(values) // 3
        early, late = median(values[third : 2 * third]), median(values[2 * third :])
        return Check(
            name,
            f"{early / 1e6:.0f} → {late / 1e6:.0f} MB",
            f"{100 * part:.0f} % or {most_bytes / 1e6:.0f} MB more",
            late <= max(early * (1.0 + part), early + most_bytes),
        )


def _of_end(status: int, log: Path) -> Iterator[Check]:
    yield Check("exit status after SIGTERM", str(status), "0", status == 0)
    lines = log.read_text("utf-8", "replace").splitlines()
    bad = [line for line in lines if '"exception"' in line or "Traceback" in line]
    for line in bad[:3]:
        print(line[:400], file=sys.stderr)
    yield Check("tracebacks in the log", str(len(bad)), "0", not bad)


def _show(engine: str, soak: Soak, checks: list[Check]) -> None:
    console = Console()
    told = f"{engine}: {soak.rate_per_second:.0f} clients/s, {soak.num_left_out} left out"
    clients = Table("clients", "", title=told)
    for name, count in sorted(soak.crowd.counts.items()):
        clients.add_row(name, str(count))
    for name, count in sorted(soak.books.ends.items()):
        clients.add_row(f"books: {name}", str(count))
    console.print(clients)
    verdict = Table("", "found", "wanted", "holds")
    for check in checks:
        verdict.add_row(*check[:3], "yes" if check.holds else "NO")
    console.print(verdict)


if __name__ == "__main__":
    typer.run(main)
