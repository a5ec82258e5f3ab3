"""What is checked of load and faults: how many at once, who goes away, servers that die or hang."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from typing import Any

import openai

from upstream.scene import BATCH_CAP, QUEUE, SILENCE_SECONDS, Scene, until

_LONG = 200
_MOSTLY = 0.9
_SOON_SECONDS = 30.0
_QUIET_SHARE = 0.2
"""Of one core: less than this uses a server that computes nothing."""


async def several(scene: Scene) -> str:
    """Twice as many as may run are all answered, and no more than may run are in the server."""
    seen: list[tuple[int, int]] = []

    async def watch() -> None:
        while True:
            running = await asyncio.to_thread(scene.num_running)
            seen.append((running, await asyncio.to_thread(scene.gateway.num_connections)))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(
        *(_whole(scene, 24, temperature=0.0) for _ in range(2 * BATCH_CAP))
    )
    watching.cancel()
    assert all(each.choices[0].text for each in answers)
    # the connection of an answer that is whole may still be closing when the next has begun
    often = [sorted(column)[int(_MOSTLY * len(seen))] for column in zip(*seen, strict=True)]
    counts_itself = scene.server.num_running() is not None
    # one more connection is kept, on which the server is asked for its health
    found = often[0] if counts_itself else often[1] - 1
    assert 1 < found <= BATCH_CAP, f"{found} at once, {BATCH_CAP} were allowed"
    return f"ok, {found} {'by its own count' if counts_itself else 'by connections'}"


async def full(scene: Scene) -> str:
    """Who comes when all places are taken is turned away at once with when to come again."""
    tasks = [asyncio.create_task(_status(scene)) for _ in range(3 * (BATCH_CAP + QUEUE))]
    statuses = Counter([await task for task in tasks])
    assert set(statuses) == {200, 429}, statuses
    return "ok"


async def deadlines(scene: Scene) -> str:
    try:
        await _whole(scene, _LONG, extra_headers={"x-slo-e2e-ms": "1"})
    except openai.UnprocessableEntityError as error:
        code = error.code
    else:
        code = "none"
    assert code == "deadline_too_short", code
    answer = await _whole(scene, 8, extra_headers={"x-slo-e2e-ms": "30000"})
    assert answer.model_extra["edgebatch"]["deadline_met"]
    return "ok"


async def gone_client(scene: Scene) -> str:
    """Whoever hangs up is called off in the server too, seen by what it says or computes."""
    streams = [await scene.stream(_LONG) for _ in range(BATCH_CAP)]
    for stream in streams:
        await anext(aiter(stream))
    assert await asyncio.to_thread(scene.num_running) == BATCH_CAP
    began_at = time.monotonic()
    for stream in streams:
        await stream.close()
    left = await until(lambda: scene.num_running() == 0, _SOON_SECONDS)
    assert left is not None, f"{scene.num_running()} still run"
    quiet = await until(lambda: _use(scene) < _QUIET_SHARE, _SOON_SECONDS)
    assert quiet is not None, "the server goes on computing"
    assert time.monotonic() - began_at < _SOON_SECONDS
    return f"ok, after {left:.1f} s"


async def killed_idle(scene: Scene) -> str:
    """A server that dies while nobody asks is noticed, and noticed again when it is back."""
    scene.server.kill()
    return await _down_and_up(scene)


async def killed_busy(scene: Scene) -> str:
    """Streams end with an error, who asks meanwhile gets 503, and it goes on after a restart."""
    streams = [await scene.stream(_LONG) for _ in range(2)]
    for stream in streams:
        await anext(aiter(stream))
    scene.server.kill()
    for stream in streams:
        assert "broke" in await _broken_by(stream)
    return await _down_and_up(scene)


async def frozen(scene: Scene) -> str:
    """A server that says nothing any more is given up, and taken again when it goes on."""
    stream = await scene.stream(_LONG)
    await anext(aiter(stream))
    scene.server.signal(signal.SIGSTOP)
    began_at = time.monotonic()
    assert "broke" in await _broken_by(stream)
    seconds = time.monotonic() - began_at
    assert await scene.ready() == 503
    scene.server.signal(signal.SIGCONT)
    back = await _until_ready(scene, 200)
    await _whole(scene, 4)
    assert seconds <= SILENCE_SECONDS + 5.0, f"given up after {seconds:.1f} s"
    return f"ok, given up after {seconds:.0f} s, back after {back:.0f} s"


async def drained(scene: Scene) -> str:
    """SIGTERM lets who runs finish."""
    running = asyncio.create_task(_whole(scene, 32))
    await until(lambda: scene.gateway.num_connections() > 0, _SOON_SECONDS)
    status = await asyncio.to_thread(scene.gateway.drained)
    assert (await running).choices[0].text
    assert status == 0, f"status {status}"
    return "ok"


async def _down_and_up(scene: Scene) -> str:
    down = await _until_ready(scene, 503)
    try:
        await _whole(scene, 4)
    except openai.InternalServerError as error:
        status = error.status_code
    else:
        status = 200
    assert status == 503, status
    await asyncio.to_thread(scene.server.start)
    up = await _until_ready(scene, 200)
    assert (await _whole(scene, 4)).choices[0].text is not None
    return f"ok, 503 after {down:.1f} s, back {up:.0f} s after the server"


async def _until_ready(scene: Scene, status: int) -> float:
    began_at = time.monotonic()
    while await scene.ready() != status:
        assert time.monotonic() - began_at < 2 * _SOON_SECONDS, f"/readyz never said {status}"
        await asyncio.sleep(0.05)
    return time.monotonic() - began_at


async def _status(scene: Scene) -> int:
    try:
        await _whole(scene, 8)
    except openai.APIStatusError as error:
        told = int(error.response.headers.get("retry-after", 0))
        return error.status_code if told >= 1 else 0
    return 200


async def _broken_by(stream: openai.AsyncStream[Any]) -> str:
    """Return the error that ends a stream; empty if it ends well."""
    try:
        async for _ in stream:
            pass
    except openai.APIError as error:
        return str(error)
    return ""


async def _whole(scene: Scene, max_tokens: int, **asked: Any) -> Any:
    return await scene.client.completions.create(
        model="", prompt="The license", max_tokens=max_tokens, **asked
    )


def _use(scene: Scene) -> float:
    """Return the share of one core that the server uses, over half a second."""
    before = scene.server.cpu_seconds()
    time.sleep(0.5)
    return (scene.server.cpu_seconds() - before) / 0.5
