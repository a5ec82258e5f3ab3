"""llama.cpp that cannot start, dies or hangs."""

import os
import signal
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from edgebatch.engines.llama_cpp import LlamaCppEngine
from edgebatch.engines.llama_cpp_settings import LlamaCppSettings
from edgebatch.errors import EngineError, InputError
from engine_answers import outcomes, request, run
from engines_llama_cpp import MODELS, SETTINGS, started


def gguf_of(architecture: str) -> bytes:
    """Return a GGUF file without tensors: magic, version 3, 0 tensors, 1 key of type string."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    return head + text("general.architecture") + struct.pack("<I", 8) + text(architecture)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gguf_of("opt"), "unknown model architecture: 'opt'"),
        (b"no model at all", "invalid magic characters"),
        (MODELS["w8"].read_bytes()[:-100_000], "data is not within the file bounds"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named_with_the_reason(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    engine = LlamaCppEngine({"f16": MODELS["f16"], "broken": path}, SETTINGS)
    with pytest.raises(InputError, match=rf"model\.gguf: llama\.cpp cannot load it: .*{reason}"):
        run(engine.start())
    assert engine.processes == ()


def test_what_llama_cpp_says_to_an_impossible_wish_is_handed_on() -> None:
    engine = LlamaCppEngine({"f16": MODELS["f16"]}, LlamaCppSettings(slots=300))
    with pytest.raises(EngineError, match="n_seq_max must be <= 256"):
        run(engine.start())


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere\.gguf: there is no such file"):
        LlamaCppEngine({"f16": Path("nowhere.gguf")})


@pytest.mark.parametrize("busy", [True, False])
def test_a_killed_server_is_an_error_and_nothing_is_left(busy: bool) -> None:
    async def ask() -> None:
        settings = LlamaCppSettings(threads=1, slots=1, context_tokens=2048)
        async with started("f16", "w8", settings=settings) as (engine, _):
            pids = engine.processes
            assert len(pids) == 2
            if busy:
                # so long that it cannot be over yet
                engine.submit(request(0, "The", 2000, ignore_end=True))
                await engine.report()
            os.kill(pids[1], signal.SIGKILL)
            work = outcomes(engine) if busy else engine.report()
            with pytest.raises(EngineError, match=r"server of w8 .* signal 9 \(SIGKILL\)"):
                await work
        assert not any(psutil.pid_exists(pid) for pid in pids)
        await engine.stop()

    run(ask())


def test_a_server_that_hangs_is_an_error_and_nothing_is_left() -> None:
    async def ask() -> None:
        settings = LlamaCppSettings(threads=1, slots=2, silence_timeout_seconds=0.5)
        async with started("w8", settings=settings) as (engine, _):
            (pid,) = engine.processes
            os.kill(pid, signal.SIGSTOP)
            engine.submit(request(0, "The", 5))
            # and 3 bytes of prompt, 0.05 s each
            with pytest.raises(EngineError, match=r"nothing for 0\.65 s"):
                await outcomes(engine)
        assert not psutil.pid_exists(pid)

    run(ask())


def test_servers_end_with_a_parent_that_is_killed() -> None:
    code = f"""
        import asyncio
        from pathlib import Path
        from edgebatch.engines.llama_cpp import LlamaCppEngine
        async def main():
            engine = LlamaCppEngine({{"w8": Path({str(MODELS["w8"])!r})}})
            await engine.start()
            print(*engine.processes, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        server = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    server.wait(60)
