"""llama.cpp with the model that is shipped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import edgebatch
from edgebatch.engines import EngineInfo
from edgebatch.engines.llama_cpp import LlamaCppEngine
from edgebatch.engines.llama_cpp_settings import LlamaCppSettings

FOLDER = Path(edgebatch.__file__).parent / "local_models/data/edgebatch-tiny/gguf"
MODELS = {
    "f16": FOLDER / "f16.gguf",
    "w8": FOLDER / "q8_0.gguf",
    "w4": FOLDER / "q4_0.gguf",
}
# a thread that waits for another spins: with more than there are idle cores all crawl
SETTINGS = LlamaCppSettings(threads=1, slots=4, context_tokens=256)


@asynccontextmanager
async def started(
    *precisions: str, settings: LlamaCppSettings = SETTINGS
) -> AsyncIterator[tuple[LlamaCppEngine, EngineInfo]]:
    engine = LlamaCppEngine({name: MODELS[name] for name in precisions}, settings)
    try:
        yield engine, await engine.start()
    finally:
        await engine.stop()
