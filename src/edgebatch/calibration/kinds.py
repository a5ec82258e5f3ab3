"""Calibrating whatever engine is asked for: what it can be asked, and what must be said of it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgebatch.calibration.calibration import (
    Calibration,
    OnProgress,
    Wish,
    calibrate,
    calibrate_subject,
)
from edgebatch.calibration.remote import Word, found_servers
from edgebatch.calibration.scorers import window_tokens
from edgebatch.calibration.scoring import local_scoring
from edgebatch.calibration.subject import Subject
from edgebatch.engines import Engine
from edgebatch.engines.openai_http import OpenAIEngine
from edgebatch.engines.registry import EngineSpec, make_engine
from edgebatch.engines.transformers import DTYPES, WEIGHT_BITS
from edgebatch.errors import InputError
from edgebatch.local_models import LocalModel, open_model
from edgebatch.problem import Precision
from edgebatch.registry import lookup

_FORMATS: Mapping[str, str] = {
    "openvino": "openvino",
    "llama-cpp": "gguf",
    "transformers": "huggingface",
    "openai": "",
}
"""Format of the models of each engine that can be calibrated; a server's is its own business."""
_CACHED_BYTES = {"f32": 4.0}


async def calibrate_engine(
    spec: EngineSpec,
    precisions: Sequence[str],
    text: str,
    wish: Wish,
    word: Word,
    *,
    on_progress: OnProgress,
) -> Calibration:
    """Measure an engine, fit the cost model and return it all.

    Args:
        spec: the engine, with its model or URLs.
        precisions: to measure; empty for all there are.
        text: real text that the model has not been trained on.
        wish: how much to measure.
        word: what is said of servers; not used for other engines.
        on_progress: told how far it is.

    Raises:
        EngineError: the engine failed.
        InputError: a setting is wrong, the model cannot be loaded, the text is too short, or
            something has to be said of a server.
        MissingExtraError: a library that is needed is not installed.
    """
    format_name = lookup(_FORMATS, spec.name, "--engine")

    make = functools.partial(_engine, spec)
    if spec.name == "openai":
        return await _calibrate_servers(spec, precisions, text, wish, word, on_progress)
    local = open_model(spec.model, format_name)
    if spec.name == "transformers":
        return await _calibrate_padded(
            spec, _with_precisions(local, precisions), precisions, text, wish, on_progress
        )
    chosen = _chosen(local.variants, precisions)
    make(chosen)  # settings are checked before minutes of work
    return await calibrate(local, chosen, make, text, wish, on_progress=on_progress)


async def _calibrate_padded(
    spec: EngineSpec,
    local: LocalModel,
    precisions: Sequence[str],
    text: str,
    wish: Wish,
    on_progress: OnProgress,
) -> Calibration:
    """Measure transformers, which quantises when it loads: what weights take is asked of it."""
    make = functools.partial(_engine, spec)
    chosen = _chosen(local.variants, precisions)
    make(chosen)  # settings are checked before minutes of work
    weights = await _loaded_bytes(make(chosen))
    dtype = str(spec.settings.get("dtype", "bf16"))
    subject = Subject(
        make,
        local.model,
        tuple(
            Precision(
                name,
                weights[name] / local.model.parameters,
                kv_bytes=_CACHED_BYTES.get(name if name in DTYPES else dtype, 2.0),
            )
            for name in chosen
        ),
        text,
        local.max_context_tokens,
        2 * window_tokens(local),
    )
    return await calibrate_subject(subject, local_scoring(local), wish, on_progress=on_progress)


async def _calibrate_servers(
    spec: EngineSpec,
    precisions: Sequence[str],
    text: str,
    wish: Wish,
    word: Word,
    on_progress: OnProgress,
) -> Calibration:
    def make(names: tuple[str, ...]) -> OpenAIEngine:
        urls = {name: spec.urls[name] for name in names}
        engine = make_engine(replace(spec, precisions=names, urls=urls))
        assert isinstance(engine, OpenAIEngine)
        return engine

    found = await found_servers(make, _chosen(spec.urls, precisions), text, word)
    return await calibrate_subject(
        found.subject, found.scoring, wish, declared=found.declared, on_progress=on_progress
    )


def _chosen(offered: Mapping[str, object], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the wanted precisions, in the order in which they are offered."""
    names = {name: name for name in offered}
    found = [lookup(names, name, "--precision") for name in wanted]
    for name in found:
        if found.count(name) > 1:
            raise InputError("--precision", f"{name!r} is given twice")
    return tuple(name for name in names if not wanted or name in found)


def _with_precisions(local: LocalModel, wanted: Sequence[str]) -> LocalModel:
    """Return a folder of transformers as all that can be made of it; if none is asked for, as is.

    The type in which it is stored stays, for the others to be compared with.
    """
    ((stored, folder),) = local.variants.items()
    known = {name: name for name in ("f32", "bf16", "f16", *WEIGHT_BITS)}
    names = [lookup(known, name, "--precision") for name in wanted]
    return replace(
        local, variants={name: folder for name in known if name in names or name == stored}
    )


async def _loaded_bytes(engine: Engine) -> Mapping[str, int]:
    """Return what the weights of each precision take, as only the engine knows once it has them."""
    try:
        info = await engine.start()
    finally:
        await engine.stop()
    weights: Mapping[str, int] = ast.literal_eval(info.settings["weight_bytes"])
    return weights


def _engine(spec: EngineSpec, precisions: tuple[str, ...]) -> Engine:
    return make_engine(replace(spec, precisions=precisions))
