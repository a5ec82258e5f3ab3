"""Servers as the subject of a calibration: what they tell, and what has to be said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from edgebatch.calibration.declared import Declared
from edgebatch.calibration.described import Description, known_description, nominal_bytes
from edgebatch.calibration.manners import TRIED_CHARACTERS, common_manner, manner_of
from edgebatch.calibration.profile_schema import Machine
from edgebatch.calibration.scoring import Scoring
from edgebatch.calibration.server_scoring import is_told, server_scoring
from edgebatch.calibration.subject import Subject
from edgebatch.engines import EngineInfo, Prompt
from edgebatch.engines.http_server import HttpServer
from edgebatch.engines.openai_http import OpenAIEngine
from edgebatch.errors import InputError
from edgebatch.problem import Precision

OpenAIMaker = Callable[[tuple[str, ...]], OpenAIEngine]
"""Makes an engine behind HTTP, not started, with precisions by name."""

_SCORED_TOKENS = 4
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Word:
    """What the operator of servers says of them.

    Attributes:
        description: of the model; None to go by the name under which it is served.
        cache_tokens: most tokens that the caches of a server hold together; None for what it tells.
        qualities: of precisions.
    """

    description: Description | None = None
    cache_tokens: int | None = None
    qualities: Mapping[str, float] = field(default_factory=dict)


class Found(NamedTuple):
    """What servers are.

    Attributes:
        subject: they, ready to be measured.
        scoring: how their quality is measured; None where it is taken from the operator.
        declared: what the profile will say without its having been measured.
    """

    subject: Subject
    scoring: Scoring | None
    declared: Declared


async def found_servers(
    make_engine: OpenAIMaker, precisions: tuple[str, ...], text: str, word: Word
) -> Found:
    """Ask the servers of all precisions what they are, and for a first short answer.

    Args:
        make_engine: makes the engine.
        precisions: to measure.
        text: of which prompts are cut.
        word: what the operator says.

    Raises:
        EngineError: a server cannot be reached, or cannot be measured.
        InputError: something is not known of a server and has to be said.
    """
    engine = make_engine(precisions)
    try:
        info = await engine.start()
        servers = {name: engine.server(name) for name in precisions}
        manners = [await manner_of(engine, name, text) for name in precisions]
        scoring = None if word.qualities else await _scoring(engine, servers, text, info)
    finally:
        await engine.stop()
    described = word.description or known_description({each.model for each in servers.values()})
    subject = Subject(
        make_engine,
        described.model,
        tuple(
            Precision(
                name,
                server.bytes_per_parameter or nominal_bytes(name),
                quality=word.qualities.get(name, 1.0),
            )
            for name, server in servers.items()
        ),
        text,
        described.max_context_tokens,
        least_text_tokens=2 * scoring.window_tokens if scoring else 1,
        manner=common_manner(manners),
        cache_tokens=word.cache_tokens,
        is_elsewhere=True,
    )
    _require_cache(subject, info)
    if scoring is None:
        _require_qualities(precisions, word.qualities)
    return Found(subject, scoring, _declared(subject, scoring, servers, info, described, word))


async def _scoring(
    engine: OpenAIEngine, servers: Mapping[str, HttpServer], text: str, info: EngineInfo
) -> Scoring | None:
    scoring = server_scoring(servers)
    if scoring is None:
        return None
    tokens = await engine.encode(Prompt(text=text[:TRIED_CHARACTERS]))
    return scoring if await is_told(scoring, tokens[:_SCORED_TOKENS], info) else None


def _require_cache(subject: Subject, info: EngineInfo) -> None:
    if subject.capacity_tokens(info) is None:
        raise InputError(
            "--cache-tokens",
            "is needed, as the server does not tell it: tokens that its key-value cache holds for "
            "all requests together",
        )


def _require_qualities(precisions: Sequence[str], qualities: Mapping[str, float]) -> None:
    if len(precisions) == 1:
        return
    for name in precisions:
        if name not in qualities:
            raise InputError(
                "--assume-quality",
                f"is needed for {name!r}: with several precisions, and none that the others can "
                "be compared with, say how good each is, from 0 to 1",
            )


def _declared(
    subject: Subject,
    scoring: Scoring | None,
    servers: Mapping[str, HttpServer],
    info: EngineInfo,
    described: Description,
    word: Word,
) -> Declared:
    by_server = {True: "told by the server", False: "by its name"}
    weights = ", ".join(
        f"{each.name} {each.weight_bytes:.4g} ({by_server[bool(server.bytes_per_parameter)]})"
        for each, server in zip(subject.precisions, servers.values(), strict=True)
    )
    cache = "declared" if word.cache_tokens else "told by the server"
    quality = "" if scoring else f"quality ({'declared' if word.qualities else 'taken to be 1'})"
    memory = f"memory (its cache {cache})"
    return Declared(
        machine=_machine([each.address.url for each in servers.values()]),
        notes=(
            f"not measured: the model's shape ({described.source}); bytes of a parameter: "
            f"{weights}; a cache of {subject.capacity_tokens(info)} tokens ({cache}), taken to "
            f"have 2 bytes a value{'; ' if quality else ''}{quality}"
        ),
        caveat=f"Not measured: {' and '.join(filter(None, (memory, quality)))}.",
    )


def _machine(urls: Sequence[str]) -> Machine | None:
    """Return the servers' machines by name; None if they are this one."""
    hosts = [urlsplit(url).hostname or url for url in urls]
    if all(host in _LOOPBACK for host in hosts):
        return None
    return Machine(processor=", ".join(dict.fromkeys(hosts)))
