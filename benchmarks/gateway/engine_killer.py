"""Kills a gateway's engine while it runs, so that every kill must be followed by one restart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import httpx
import psutil

_LOOK_SECONDS = 0.1


class EngineKiller:
    """Knows which of the gateway's processes compute, and ends them.

    Args:
        client: asks the gateway.
        url: of the gateway.
        gateway: its process, on this machine.

    Attributes:
        num_kills: how often the engine was killed, with all its processes at once.
    """

    def __init__(self, client: httpx.AsyncClient, url: str, gateway: psutil.Process) -> None:
        self._client, self._url, self._gateway = client, url, gateway
        self._killed: set[psutil.Process] = set()
        self.num_kills = 0

    def engine_processes(self) -> list[psutil.Process]:
        """Return the gateway's children that run an engine and have not been killed.

        What else may be there is multiprocessing's resource tracker, if the gateway has measured
        a first profile: it computes nothing, nobody starts it again, and once dead it stays a
        zombie.
        """
        return [child for child in self._gateway.children() if self._is_engine(child)]

    async def is_up(self) -> bool:
        """Whether the gateway takes requests."""
        try:
            return (await self._client.get(f"{self._url}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    async def kill(self) -> None:
        """Kill the engine as soon as it runs.

        One that is killed while it starts would not count as restarted, and one that the gateway
        does not know to be dead yet would be killed twice.
        """
        while not (await self.is_up() and (engine := self.engine_processes())):
            await asyncio.sleep(_LOOK_SECONDS)
        for process in engine:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._killed.update(engine)
        self.num_kills += 1

    async def kill_every(self, seconds: float) -> None:
        """Kill it again and again until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            await self.kill()

    def _is_engine(self, process: psutil.Process) -> bool:
        if process in self._killed:
            return False
        try:
            return any(word.startswith("edgebatch.engines.") for word in process.cmdline())
        except psutil.NoSuchProcess:  # zombies too
            return False


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the resident memory of processes that may end meanwhile, and of their descendants."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            for each in (process, *process.children(recursive=True)):
                total += each.memory_info().rss
    return total
