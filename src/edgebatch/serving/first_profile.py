"""What the engine does here, if nobody has measured it yet: measured once, briefly, and kept."""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
import sys
from pathlib import Path

from edgebatch import __version__
from edgebatch.calibration.calibration import Phase, Wish, calibrate
from edgebatch.engines import Engine
from edgebatch.engines.registry import EngineSpec, make_engine, parse_engine
from edgebatch.errors import InputError
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
    name, engine_settings = parse_engine(settings.engine)
    if name not in _FORMATS:
        raise InputError(
            "profile", f"is needed with engine {name!r}; edgebatch calibrate writes one"
        )
    source = settings.model or DEFAULT_MODEL
    local = open_model(source, _FORMATS[name])
    precisions = settings.precisions or (preferred_precision(local),)
    kept = cache_folder() / "profiles" / f"{_digest(settings, local, precisions)}.toml"
    if kept.exists():
        return kept

    def make(names: tuple[str, ...]) -> Engine:
        return make_engine(EngineSpec(name, engine_settings, source, names))

    make(precisions)
    told = ", ".join(precisions)
    print(f"measuring {name} with {local.name} in {told}, once: about a minute", file=sys.stderr)
    calibration = asyncio.run(
        calibrate(local, precisions, make, heldout_text(), _BRIEF, on_progress=_unshown)
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    calibration.profile.save(kept)
    print(f"{calibration.profile.verdict} Kept in {kept}", file=sys.stderr)
    return kept


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
