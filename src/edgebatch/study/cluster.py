"""Making the runs of a study on a cluster of machines, by Dask."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import itertools
import logging
import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from edgebatch import __version__
from edgebatch.errors import EdgebatchError, InputError, MissingExtraError
from edgebatch.study.definition import Study, StudyRun
from edgebatch.study.execution import make_row, tasks
from edgebatch.study.rows import Row

_ADDRESS = re.compile(r"(tcp|tls|wss?)://([\w.-]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")
_CONNECT_SECONDS = 6.0
_NO_WORKERS_SECONDS = 60.0
"""How long a cluster may be without any worker, such as between two jobs of a batch system."""
_POLL_SECONDS = 0.05
_WAITING_PER_THREAD = 4
"""Runs that are with the cluster at once: enough that no worker waits for the next."""
_GO_ON = "what was finished is kept, and the same command goes on"


def run_on_cluster(study: Study, runs: Sequence[StudyRun], address: str) -> Generator[Row]:
    """Make runs on a Dask cluster and yield their rows as they come.

    A run whose worker dies is made again elsewhere by Dask's scheduler; rows are keyed by their
    run, so none can count twice.

    Args:
        study: what they belong to.
        runs: which ones.
        address: of the scheduler, such as ``tcp://host:8786``.

    Raises:
        InputError: there is no scheduler at the address, or it has no workers.
        EdgebatchError: a worker has another version, a run cannot be made, or the cluster is gone.
        MissingExtraError: distributed is not installed.
    """
    with _connected(address) as client:
        num_threads = _checked_threads(client, address)
        waiting = tasks(study, runs)

        def submitted(count: int) -> list[Any]:
            return [
                client.submit(make_row, task, key=f"edgebatch-{study.hash}-{task.run.number}")
                for task in itertools.islice(waiting, count)
            ]

        yield from _rows(client, address, submitted, num_threads)


def _rows(
    client: Any, address: str, submitted: Callable[[int], list[Any]], num_threads: int
) -> Iterator[Row]:
    completed = _distributed().as_completed(
        submitted(_WAITING_PER_THREAD * num_threads),
        loop=client.loop,
        with_results=True,
        raise_errors=False,
    )
    seen_workers_at = time.monotonic()
    while not completed.is_empty():
        finished = completed.next_batch(block=False)
        for future, result in finished:
            yield row_of(future, result, address)
        completed.update(submitted(len(finished)))
        if finished or client.scheduler_info()["workers"]:
            seen_workers_at = time.monotonic()
        if time.monotonic() - seen_workers_at > _NO_WORKERS_SECONDS:
            raise EdgebatchError(f"{address}: all workers are gone; {_GO_ON}")
        if not finished:
            time.sleep(_POLL_SECONDS)


def row_of(future: Any, result: Any, address: str) -> Row:
    """Return the row that a future held when it was fetched, or say what became of its run.

    Args:
        future: which may have changed since.
        result: what was fetched.
        address: of the cluster, for errors.

    Raises:
        EdgebatchError: the cluster is gone, or the run has cost too many workers their lives.
    """
    if isinstance(result, BaseException):  # Dask has called it off
        raise EdgebatchError(f"{address}: the cluster is gone; {_GO_ON}")
    if future.status != "error":  # "lost" if its worker died after the row had been fetched
        row: Row = result
        return row
    _, error, _ = result
    if isinstance(error, _distributed().KilledWorker):
        raise EdgebatchError(
            f"{address}: {future.key} was begun on {error.allowed_failures + 1} workers, and all "
            f"of them died, perhaps for want of memory; {_GO_ON}"
        )
    raise error


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtraError("a sweep on a cluster", "cluster") from error


async def _is_scheduler(distributed: Any, address: str) -> bool:
    try:
        async with distributed.rpc(address) as server:
            identity = await asyncio.wait_for(server.identity(), _CONNECT_SECONDS)
    except Exception:  # noqa: BLE001 - a server of another kind can make this fail in any way
        return False
    return bool(identity.get("type") == "Scheduler")


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    distributed = _distributed()
    if not _ADDRESS.fullmatch(address):
        raise InputError("cluster", f"must be like tcp://host:8786, got {address!r}")
    # what it logs about lost connections is said in our own words
    for name in ("distributed", "distributed.client", "distributed.comm", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # asked first, since a client waits for ever on a server that is no scheduler
    if not asyncio.run(_is_scheduler(distributed, address)):
        raise InputError("cluster", f"no Dask scheduler answers at {address!r}")
    client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    try:
        yield client
    finally:
        client.close()


def _checked_threads(client: Any, address: str) -> int:
    """Return how many runs the workers make at once; all must have this version of edgebatch.

    Those that join later are found out by the version in their rows.
    """
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    threads = client.nthreads()
    if not threads:
        raise InputError("cluster", f"the scheduler at {address!r} has no workers")
    # a function of the standard library, which workers without edgebatch have too
    versions = client.run(importlib.metadata.version, "edgebatch", on_error="return")
    for worker, version in sorted(versions.items()):
        if version != __version__:
            found = "no edgebatch" if isinstance(version, Exception) else f"edgebatch {version}"
            raise EdgebatchError(
                f"cluster: worker {worker} has {found}, but this is {__version__}; "
                "install the same version everywhere"
            )
    return sum(threads.values())
