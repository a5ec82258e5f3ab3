"""Engines by name, with their settings."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from edgebatch.engines.base import Engine
from edgebatch.errors import InputError, UnknownNameError
from edgebatch.local_models import LocalModel, open_model
from edgebatch.registry import lookup

if TYPE_CHECKING:
    from edgebatch.cost import BatchCost

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine is wanted, with what in it.

    Attributes:
        name: one of :func:`engine_names`.
        settings: the engine's own, as text or in their types.
        model: a built-in or generated model by name, a folder or a file; for ``openai`` the name
            under which the server serves it, empty for the only one that it has.
        precisions: names of those to host; empty for all that the model comes in.
        urls: for ``openai``: base URL of the server of each precision.
        api_key: for ``openai``: what servers ask for.
        costs: for ``simulated``: what steps take.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    precisions: tuple[str, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    api_key: str | None = None
    costs: Sequence[BatchCost] = ()


@dataclass(frozen=True, slots=True)
class EngineKind:
    """An engine that can be asked for.

    Attributes:
        name: what it is asked for by.
        summary: what it is.
        make: makes one.
        settings: where its settings are defined, module and class.
        extra: what has to be installed for it; empty for nothing.
        library: module that is there if that is installed.
    """

    name: str
    summary: str
    make: Callable[[EngineSpec], Engine]
    settings: str
    extra: str = ""
    library: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether what it needs is installed."""
        return not self.library or importlib.util.find_spec(self.library) is not None

    def settings_type(self) -> type[Any]:
        """Return the dataclass of its settings."""
        module, _, name = self.settings.partition(":")
        kind: type[Any] = getattr(importlib.import_module(module), name)
        return kind


def parse_engine(text: str) -> tuple[str, dict[str, str]]:
    """Return name and settings written as ``name`` or ``name:key=value,key=value``.

    Raises:
        UnknownNameError: no such engine.
        InputError: a setting is not of that form, or given twice.
    """
    name, _, tail = text.partition(":")
    kind = lookup(ENGINES, name.strip(), "engine")
    settings: dict[str, str] = {}
    for setting in filter(None, tail.split(",")):
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise InputError(f"engine {text!r}", f"settings are key=value, got {setting!r}")
        if key in settings:
            raise InputError(f"engine {text!r}", f"{key} is given twice")
        settings[key] = value
    return kind.name, settings


def engine_names() -> list[str]:
    """Return the names of all engines."""
    return list(ENGINES)


def make_engine(spec: EngineSpec) -> Engine:
    """Return the engine that is wanted, not started yet.

    Raises:
        UnknownNameError: no such engine, setting or precision.
        InputError: a setting is wrong, or there is no such model.
        MissingExtraError: a library that is needed for reading the model is not installed.
    """
    return lookup(ENGINES, spec.name, "engine").make(spec)


def _simulated(spec: EngineSpec) -> Engine:
    from edgebatch.engines.simulated import SimulatedEngine, SimulatedSettings

    if not spec.costs:
        raise InputError("engine", "'simulated' needs a profile or a scenario for its times")
    wanted = [cost for cost in spec.costs if cost.precision.name in spec.precisions]
    settings = checked_settings(SimulatedSettings, spec)
    return SimulatedEngine(wanted or spec.costs, settings.time_factor)


def _openvino(spec: EngineSpec) -> Engine:
    from edgebatch.engines.openvino import OpenVinoEngine, OpenVinoSettings

    settings = checked_settings(OpenVinoSettings, spec)
    model = open_model(spec.model, "openvino")
    return OpenVinoEngine(_variants(spec, model), settings, model.name)


def _llama_cpp(spec: EngineSpec) -> Engine:
    from edgebatch.engines.llama_cpp import LlamaCppEngine
    from edgebatch.engines.llama_cpp_settings import LlamaCppSettings

    settings = checked_settings(LlamaCppSettings, spec)
    model = open_model(spec.model, "gguf")
    return LlamaCppEngine(_variants(spec, model), settings, model.name)


def _transformers(spec: EngineSpec) -> Engine:
    from edgebatch.engines.transformers import TransformersEngine, TransformersSettings

    settings = checked_settings(TransformersSettings, spec)
    # one folder serves all precisions: they are made when it is loaded
    model = open_model(spec.model, "huggingface")
    ((stored, folder),) = model.variants.items()
    folders = dict.fromkeys(spec.precisions or (stored,), folder)
    return TransformersEngine(folders, settings, model.name)


def _openai(spec: EngineSpec) -> Engine:
    from edgebatch.engines.http_server import ServerAddress
    from edgebatch.engines.openai_http import OpenAIEngine, OpenAISettings

    settings = checked_settings(OpenAISettings, spec)
    servers = {
        precision: ServerAddress(url, spec.model, spec.api_key or "")
        for precision, url in spec.urls.items()
    }
    return OpenAIEngine(servers, settings)


def _variants(spec: EngineSpec, model: LocalModel) -> dict[str, Path]:
    """Return where each wanted precision of a model lies."""
    return {name: model.variant(name) for name in spec.precisions or model.variants}


def checked_settings(kind: type[Settings], spec: EngineSpec) -> Settings:
    """Return an engine's settings, checked and in their types.

    Raises:
        UnknownNameError: a key is not one of them.
        InputError: a value is not of its type or out of its range.
    """
    from pydantic import TypeAdapter, ValidationError

    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    for key in spec.settings:
        if key not in names:
            raise UnknownNameError(f"engine.{spec.name}", key, names)
    try:
        return TypeAdapter(kind).validate_python(dict(spec.settings))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(("engine", spec.name, *map(str, first["loc"])))
        raise InputError(path, f"{first['msg']}, got {first['input']!r}") from error


ENGINES: Mapping[str, EngineKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            EngineKind(
                "openvino",
                "OpenVINO GenAI, continuous batching on Intel and ARM",
                _openvino,
                "edgebatch.engines.openvino:OpenVinoSettings",
                extra="engine",
                library="openvino_genai",
            ),
            EngineKind(
                "llama-cpp",
                "llama.cpp's server, GGUF files",
                _llama_cpp,
                "edgebatch.engines.llama_cpp_settings:LlamaCppSettings",
                extra="llama-cpp",
                library="xllamacpp",
            ),
            EngineKind(
                "transformers",
                "PyTorch, left-padded static batches",
                _transformers,
                "edgebatch.engines.transformers:TransformersSettings",
                extra="transformers",
                library="transformers",
            ),
            EngineKind(
                "openai",
                "any server with OpenAI's API",
                _openai,
                "edgebatch.engines.openai_http:OpenAISettings",
                extra="serve",
                library="aiohttp",
            ),
            EngineKind(
                "simulated",
                "the cost model under the wall clock, no model",
                _simulated,
                "edgebatch.engines.simulated:SimulatedSettings",
            ),
        )
    }
)
"""All engines by name, the default first."""
