"""The gateway in front of other servers: what goes through, and what happens when they fail.

Starts each server and ``edgebatch serve`` before it, asks through OpenAI's own client, kills and
freezes the server, and prints a table. Status 1 if something failed.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from upstream import answers, faults
from upstream.rough_profile import write_profile
from upstream.scene import Gateway, Scene
from upstream.servers import KINDS, Kind, Server

from edgebatch.local_models import cache_folder

CHECKS: Mapping[str, Callable[[Scene], Awaitable[str]]] = {
    "chat, whole": answers.whole_chat,
    "chat, streamed": answers.streamed_chat,
    "text as the server itself gives it": answers.same_text,
    "prompt as token ids": answers.token_prompt,
    "tokens of the prompt": answers.prompt_count,
    "tokens of the answer": answers.answer_count,
    "`ignore_eos`": answers.ignored_end,
    "`stop`": answers.stop_text,
    "`temperature`, `seed` of each request": answers.own_sampling,
    "empty prompt refused": answers.empty_prompt,
    "no more in the server than decided": faults.several,
    "429 when full": faults.full,
    "deadlines": faults.deadlines,
    "client gone": faults.gone_client,
    "killed while idle": faults.killed_idle,
    "killed while busy": faults.killed_busy,
    "frozen": faults.frozen,
    "SIGTERM": faults.drained,
}
_CHECK_SECONDS = 600.0


def main(
    names: Annotated[list[str] | None, typer.Argument(help="servers; none for all")] = None,
    keep: Annotated[bool, typer.Option(help="keep the environments that were made")] = False,
    only: Annotated[list[str] | None, typer.Option(help="checks by a part of their name")] = None,
) -> None:
    table: dict[str, dict[str, str]] = {}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all that runs is ended
    with tempfile.TemporaryDirectory() as folder:
        for kind in [KINDS[name] for name in names or KINDS]:
            began_at = time.monotonic()
            title = f"{kind.name} {kind.version()}"
            table[title] = asyncio.run(_checked(kind, Path(folder), only or [""]))
            table[title]["minutes"] = f"{(time.monotonic() - began_at) / 60.0:.1f}"
            if not keep:
                shutil.rmtree(cache_folder() / "upstreams" / kind.name, ignore_errors=True)
    _show(table)
    failed = any(each.startswith("FAILED") for found in table.values() for each in found.values())
    raise typer.Exit(1 if failed else 0)


async def _checked(kind: Kind, folder: Path, only: list[str]) -> dict[str, str]:
    """Return what was found, check by check."""
    profile = folder / f"{kind.name}.toml"
    found: dict[str, str] = {}
    with Server(kind, _free_port(), folder / f"{kind.name}.log") as server:
        await write_profile(server, profile)
        with Gateway(server, profile, folder / f"{kind.name}-gateway.log") as gateway:
            scene = Scene.of(gateway, server)
            for name, check in CHECKS.items():
                if any(part in name for part in only):
                    found[name] = await _outcome(check, scene)
                    print(f"{kind.name}: {name}: {found[name]}", flush=True)
                    server.revive()
            await scene.close()
    return found


async def _outcome(check: Callable[[Scene], Awaitable[str]], scene: Scene) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check(scene)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is looked for
        return f"FAILED: {type(error).__name__}: {error}"[:300]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _show(table: Mapping[str, Mapping[str, str]]) -> None:
    """Print the findings as a table in Markdown."""
    print(f"| | {' | '.join(table)} |")
    print("|---" * (1 + len(table)) + "|")
    for row in dict.fromkeys(name for found in table.values() for name in found):
        cells = [found.get(row, "") for found in table.values()]
        print(f"| {row} | {' | '.join(cells)} |")


if __name__ == "__main__":
    typer.run(main)
