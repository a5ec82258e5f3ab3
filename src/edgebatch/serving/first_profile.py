"""What the engine does here, if nobody has measured it yet: measured once, briefly, and kept."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from edgebatch import __version__
from edgebatch.calibration.calibration import Phase, Wish, calibrate
from edgebatch.engines import Engine
from edgebatch.engines.registry import EngineSpec, make_engine, parse_engine
from edgebatch.errors import EngineError, InputError
from edgebatch.local_models import LocalModel, cache_folder, heldout_text, open_model
from edgebatch.serving.settings import GatewaySettings

DEFAULT_MODEL = "edgebatch-tiny"
_FORMATS = {"openvino": "openvino", "llama-cpp": "gguf"}
_PREFERRED = ("w8", "q8_0", "bf16", "f16")
"""Eight bits cost hardly any quality and are read in half the time."""
_BRIEF = Wish(budget_seconds=30.0, held_out=4, decode_passes=8)


def measured_profile(settings: GatewaySettings) -> Path:
    """Return the profile of the engine, model and precisions that settings name.

    It is kept in the user's cache; what was measured there before is taken again.

    Raises:
        InputError: the engine has no model on this machine whose sizes are known.
        EngineError: it cannot be measured.
    """
    name, local, precisions = _subject(settings)
    kept = cache_folder() / "profiles" / f"{_digest(settings, local, precisions)}.toml"
    if kept.exists():
        return kept

    _engine(settings, precisions)  # whatever is wrong with it is to be told now
    told = ", ".join(precisions)
    print(f"measuring {name} with {local.name} in {told}, once: about a minute", file=sys.stderr)
    kept.parent.mkdir(parents=True, exist_ok=True)
    # in a process of its own: what scores quality loads the model, and would stay
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            verdict = pool.submit(_measure, settings, precisions, kept).result()
        except BrokenProcessPool as error:
            raise EngineError("the process that measured the engine was killed") from error
    print(f"{verdict} Kept in {kept}", file=sys.stderr)
    return kept


def check_measurable(settings: GatewaySettings) -> None:
    """Raise what :func:`measured_profile` would, but measure nothing.

    Raises:
        InputError: the engine has no such model on this machine, or a setting of it is wrong.
    """
    _, _, precisions = _subject(settings)
    _engine(settings, precisions)


def _subject(settings: GatewaySettings) -> tuple[str, LocalModel, tuple[str, ...]]:
    """Return which engine is to be measured, with which model in which precisions."""
    name, _ = parse_engine(settings.engine)
    if name not in _FORMATS:
        raise InputError(
            "profile", f"is needed with engine {name!r}; edgebatch calibrate writes one"
        )
    local = open_model(settings.model or DEFAULT_MODEL, _FORMATS[name])
    return name, local, settings.precisions or (preferred_precision(local),)


def _measure(settings: GatewaySettings, precisions: tuple[str, ...], path: Path) -> str:
    """Write a profile, and return how far to trust it."""
    name, _ = parse_engine(settings.engine)
    local = open_model(settings.model or DEFAULT_MODEL, _FORMATS[name])
    make = functools.partial(_engine, settings)
    calibration = asyncio.run(
        calibrate(local, precisions, make, heldout_text(), _BRIEF, on_progress=_unshown)
    )
    calibration.profile.save(path)
    return calibration.profile.verdict


def _engine(settings: GatewaySettings, precisions: tuple[str, ...]) -> Engine:
    name, engine_settings = parse_engine(settings.engine)
    return make_engine(
        EngineSpec(name, engine_settings, settings.model or DEFAULT_MODEL, precisions)
    )


def preferred_precision(local: LocalModel) -> str:
    """Return the precision to host if none is asked for."""
    return next((name for name in _PREFERRED if name in local.variants), next(iter(local.variants)))


def _unshown(_: Phase, __: float) -> None:
    pass


def _digest(settings: GatewaySettings, local: LocalModel, precisions: tuple[str, ...]) -> str:
    """Return what names a measurement: all that it depends on."""
    depends_on = (
        __version__,
        platform.node(),
        platform.processor(),
        settings.engine,
        sorted(str(local.variant(name)) for name in precisions),
        [local.weight_bytes(name) for name in precisions],
    )
    return hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]
