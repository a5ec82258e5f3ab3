"""What a gateway is told at its start: TOML file, environment, flags, in rising order of weight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from edgebatch.errors import InputError
from edgebatch.schema import read_toml
from edgebatch.serving.settings_errors import explained

_PREFIX = "EDGEBATCH_"
MOST_PRIORITY = 10
"""Priorities go from so much below 0, the most urgent, to so much above."""

Seconds = Annotated[float, Field(gt=0.0, le=1e7)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]
Priority = Annotated[int, Field(ge=-MOST_PRIORITY, le=MOST_PRIORITY)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Demands(_Section):
    """What a request asks for if it does not say so itself.

    Attributes:
        e2e_seconds: deadline of the whole answer.
        ttft_seconds: deadline of the first token; None for no such deadline.
        min_quality: least quality of the precision.
        max_tokens: output limit.
        priority: lower is more urgent.
    """

    e2e_seconds: Seconds | None = None
    ttft_seconds: Seconds | None = None
    min_quality: Share | None = None
    max_tokens: Count | None = None
    priority: Priority | None = None


class Key(_Section):
    """One API key.

    Attributes:
        name: in logs and metrics.
        sha256: of the key, as ``edgebatch serve --hash-key`` prints it.
        share: of the running work and of the queue, against other keys' shares.
        most_unfinished: most requests that may wait or run at once; None for no such limit.
        defaults: outweigh the gateway's.
    """

    name: Annotated[str, Field(min_length=1, pattern=r"^[\w.-]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    share: Annotated[float, Field(gt=0.0)] = 1.0
    most_unfinished: Count | None = None
    defaults: Demands = Demands()


class Limits(_Section):
    """What nobody may exceed.

    Attributes:
        queue: most requests that wait; more are turned away at once, except of keys that have
            less than their part.
        body_bytes: longest body of a request.
        max_tokens: greatest output limit that a request may ask for.
        e2e_seconds: longest deadline that a request may ask for.
        headers_seconds: how long a client may take to send the headers of its request.
        body_seconds: how long it may take to send the body.
        send_seconds: how long it may take in nothing of what is sent to it; on Linux.
    """

    queue: Count = 256
    body_bytes: Count = 2_000_000
    max_tokens: Count = 4096
    e2e_seconds: Seconds = 3600.0
    headers_seconds: Seconds = 10.0
    body_seconds: Seconds = 10.0
    send_seconds: Annotated[float, Field(ge=0.001, le=1e6)] = 30.0


class Lengths(_Section):
    """How the length of answers is predicted.

    Attributes:
        quantile: a request is counted with this quantile of the lengths of its class that were
            served, if that is below its limit; None counts everyone with its limit.
        min_samples: as long as fewer were served, the limit counts.
    """

    quantile: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    min_samples: Count = 200


class Server(_Section):
    """One server behind the gateway, for engine ``openai``.

    Attributes:
        precision: in which it serves the model.
        url: its base URL.
        profile: what it was measured to do; None for the gateway's.
        model: what it calls the model; None for the gateway's ``model``.
        key: what it asks for; None for the gateway's ``upstream_key``.
    """

    precision: Annotated[str, Field(min_length=1)]
    url: Annotated[str, Field(min_length=1)]
    profile: Path | None = None
    model: str | None = None
    key: str | None = Field(default=None, repr=False)


class GatewaySettings(BaseSettings):
    """All settings of a gateway; environment variables are ``EDGEBATCH_`` and the path, ``__``.

    Attributes:
        host, port: where it listens.
        engine: name and settings, as ``edgebatch run --engine`` takes them.
        model: as ``edgebatch run --model`` takes it.
        precisions: names of those to host; empty for all that the profile, or ``servers``, has.
        servers: for ``openai``: where the model is served.
        upstream_key: for ``openai``: what these servers ask for.
        profile: what the engine was measured to do; None measures it at the start.
        policy: who decides.
        served_name: name of the model in the API; None for the engine's.
        defaults, limits, lengths: see there.
        keys: who may ask; empty for anyone.
        cors_origins: web pages that may ask from a browser; none by default.
        downlink_seconds: what the way of an answer's end to the client is believed to take.
        drain_seconds: how long commitments may take to finish once the gateway is told to end.
        log_level: ``debug``, ``info``, ``warning`` or ``error``.
        tracing: whether requests are sent as OpenTelemetry spans, as its own variables say.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    engine: str = "openvino"
    model: str | None = None
    precisions: tuple[str, ...] = ()
    servers: tuple[Server, ...] = ()
    upstream_key: str | None = Field(default=None, repr=False)
    profile: Path | None = None
    policy: str = "rolling"
    served_name: str | None = None
    defaults: Demands = Demands(e2e_seconds=30.0, min_quality=0.0, max_tokens=256, priority=0)
    limits: Limits = Limits()
    lengths: Lengths = Lengths()
    keys: tuple[Key, ...] = ()
    cors_origins: tuple[str, ...] = ()
    drain_seconds: Seconds = 30.0
    downlink_seconds: Annotated[float, Field(ge=0.0, le=1e7)] = 0.02
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    tracing: bool = False

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        for field in ("name", "sha256"):
            values = [getattr(key, field) for key in self.keys]
            if len(set(values)) < len(values):
                raise ValueError(f"keys: two have the same {field}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing here: what outweighs what is for :func:`load_settings` to say."""
        return (init_settings,)


def load_settings(path: Path | None, flags: dict[str, Any]) -> GatewaySettings:
    """Return the settings of a gateway.

    Args:
        path: TOML file; None for none.
        flags: settings by name, nested ones as dicts; they outweigh all else.

    Raises:
        InputError: with the path of the first offending setting, or its variable.
    """
    document: dict[str, Any] = {} if path is None else read_toml(path)
    try:
        given = _merged(document, EnvSettingsSource(GatewaySettings)())
        return GatewaySettings(**_merged(given, flags))
    except ValidationError as error:
        raise explained(error, GatewaySettings, path, _PREFIX) from error
    except SettingsError as error:  # it says which only in words
        name = next(
            (each for each in GatewaySettings.model_fields if f'"{each}"' in str(error)), "*"
        )
        raise InputError(
            f"{_PREFIX}{name.upper()}", "must be JSON, as it is a list or table"
        ) from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged
