"""What has to be said of servers that are calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from edgebatch.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from edgebatch.calibration.remote import Word
    from edgebatch.engines.registry import EngineSpec

DescribeOption = Annotated[
    str | None,
    typer.Option(
        "--describe",
        metavar="MODEL",
        help="For openai: the model's shape, as a preset, GGUF file, config.json or folder.",
        show_default="the preset that it is served as",
    ),
]
CacheTokensOption = Annotated[
    int | None,
    typer.Option(
        "--cache-tokens",
        metavar="N",
        min=1,
        help="For openai: tokens that the server's cache holds together.",
        show_default="what the server tells",
    ),
]
AssumeQualityOption = Annotated[
    list[str] | None,
    typer.Option(
        "--assume-quality",
        metavar="PRECISION=SHARE",
        help="For openai: quality of a precision, 0 to 1.",
        show_default="1 for the only one",
    ),
]


def server_word(
    spec: EngineSpec, describe: str | None, cache_tokens: int | None, qualities: Sequence[str]
) -> Word:
    """Return what is said of servers.

    Raises:
        EdgebatchError: an option does not go with the engine, or is wrong.
    """
    from edgebatch.calibration.described import description
    from edgebatch.calibration.remote import Word

    said = {
        "--describe": describe,
        "--cache-tokens": cache_tokens,
        "--assume-quality": qualities or None,
    }
    for option, value in said.items():
        if value is not None and spec.name != "openai":
            raise InputError(option, f"only goes with --engine openai, not with {spec.name!r}")
    shares: dict[str, float] = {}
    for position, text in enumerate(qualities):
        where = f"--assume-quality[{position}]"
        name, _, share = text.partition("=")
        if name not in spec.precisions:
            raise UnknownNameError(where, name, spec.precisions)
        try:
            shares[name] = float(share)
        except ValueError:
            raise InputError(where, f"must be PRECISION=SHARE, got {text!r}") from None
        if not 0.0 <= shares[name] <= 1.0:
            raise InputError(where, f"must lie from 0 to 1, got {share}")
    return Word(description(describe) if describe is not None else None, cache_tokens, shares)
