"""Options that all commands on engines share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.errors import InputError

if TYPE_CHECKING:
    from edgebatch.cost import BatchCost
    from edgebatch.engines.registry import EngineSpec

DEFAULT_ENGINE = "openvino"
DEFAULT_MODEL = "edgebatch-tiny"


def engine_names() -> list[str]:
    """Return what the shell offers where an engine is asked for."""
    from edgebatch.engines.registry import engine_names as known_engines

    return known_engines()


EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        "-e",
        metavar="NAME[:KEY=VALUE,…]",
        help="Inference engine and its settings (edgebatch engines).",
        autocompletion=engine_names,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|PATH",
        help="Built-in or generated model, folder or file; for openai what the server calls it.",
        show_default=DEFAULT_MODEL,
    ),
]
PrecisionOption = Annotated[
    list[str] | None,
    typer.Option("--precision", "-q", metavar="NAME", help="Precision to host; all if not given."),
]
UrlOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[PRECISION=]URL",
        help="For openai: base URL of the server, one for each precision.",
    ),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option(metavar="KEY", envvar="OPENAI_API_KEY", help="For openai: the server's key."),
]


def engine_spec(
    engine: str,
    model: str | None,
    precisions: Sequence[str] | None,
    urls: Sequence[str] | None = None,
    api_key: str | None = None,
    costs: Sequence[BatchCost] = (),
) -> EngineSpec:
    """Return the engine that the options describe.

    Raises:
        EdgebatchError: no such engine, or options that do not go together.
    """
    from edgebatch.engines.registry import EngineSpec, parse_engine

    name, settings = parse_engine(engine)
    served = _served_at(urls or (), precisions or ())
    if served and name != "openai":
        raise InputError("--url", f"only goes with --engine openai, not with {name!r}")
    if name == "openai" and not served:
        raise InputError("--url", "is needed with --engine openai")
    default_model = "" if name in ("openai", "simulated") else DEFAULT_MODEL
    return EngineSpec(
        name=name,
        settings=settings,
        model=model or default_model,
        precisions=tuple(precisions or served),
        urls=served,
        api_key=api_key,
        costs=costs,
    )


def _served_at(urls: Sequence[str], precisions: Sequence[str]) -> dict[str, str]:
    """Return the URL of each precision; a URL alone is that of the only precision."""
    served: dict[str, str] = {}
    for position, text in enumerate(urls):
        name, equals, url = text.partition("=")
        if not equals or "/" in name:
            if len(urls) > 1 or len(precisions) > 1:
                raise InputError(f"--url[{position}]", "must be PRECISION=URL, one a precision")
            name, url = (precisions[0] if precisions else "default"), text
        if name in served:
            raise InputError(f"--url[{position}]", f"{name!r} is given twice")
        served[name] = url
    return served
