"""``edgebatch serve``: the gateway."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgebatch.cli.engine_options import engine_names
from edgebatch.cli.output import print_json
from edgebatch.cli.scenario_options import policy_names
from edgebatch.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from edgebatch.serving.settings import GatewaySettings

EXAMPLES = """\
  edgebatch serve
  edgebatch serve --profile profile.toml --port 8000
  edgebatch serve --config gateway.toml --check
  edgebatch serve --engine llama-cpp --model my.gguf --profile my-profile.toml
  edgebatch serve --engine openai --url q8_0=http://127.0.0.1:8001/v1 --profile up.toml
  edgebatch serve --engine openai --url w8=http://node-a:8001/v1 --url w8=http://node-b:8001/v1 …
  EDGEBATCH_LIMITS__QUEUE=64 edgebatch serve
  edgebatch serve --hash-key
"""
_NEEDED = ("fastapi", "uvicorn", "pydantic_settings", "prometheus_client", "structlog")


def command(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, as TOML.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            "-e",
            metavar="NAME[:KEY=VALUE,…]",
            help="Inference engine and its settings.",
            autocompletion=engine_names,
            show_default="openvino",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME|PATH", help="What to serve."),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision", "-q", metavar="NAME", help="Precision to host."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What the engine does here (edgebatch calibrate)."),
    ] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(metavar="PRECISION=URL", help="For openai: where a precision is served."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            "-p",
            metavar="NAME[:KNOB=VALUE,…]",
            help="Who decides.",
            autocompletion=policy_names,
            show_default="rolling",
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Where to listen.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 for any.", show_default="8080")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check the settings, print them as JSON and exit.")
    ] = False,
    hash_key: Annotated[
        bool,
        typer.Option("--hash-key", help="Read an API key, print what settings keep of it."),
    ] = False,
) -> None:
    """Serve a model over OpenAI's API, and keep deadlines.

    Requests say by when they want the whole answer (header x-slo-e2e-ms) and how good the weights
    must be (x-min-quality). The scheduler lets them into the engine's running batch so that the
    most are answered in time, and tells the others at once: 429 with Retry-After, or 422 and what
    would be possible.

    Settings come from the file, the environment (EDGEBATCH_PORT, EDGEBATCH_LIMITS__QUEUE) and
    flags, each outweighing those before. SIGTERM drains; a second one ends at once.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError("edgebatch serve", "serve")
    if hash_key:
        _print_hash()
        return
    from edgebatch.serving.settings import load_settings

    given = {
        "engine": engine,
        "model": model,
        "precisions": precision or None,
        "profile": profile,
        "servers": _servers(url or []) or None,
        "policy": policy,
        "host": host,
        "port": port,
    }
    flags = {name: value for name, value in given.items() if value is not None}
    settings = load_settings(config, flags)
    if check:
        _check(settings)
        return
    _serve(settings)


def _check(settings: GatewaySettings) -> None:
    from edgebatch.serving.build import check_settings
    from edgebatch.serving.server import configure_logs

    configure_logs(settings.log_level)
    check_settings(settings)
    print_json(_shown(settings))


def _serve(settings: GatewaySettings) -> None:
    from edgebatch.serving.build import build_gateway
    from edgebatch.serving.server import configure_logs, serve

    configure_logs(settings.log_level)
    gateway = build_gateway(settings)
    serve(gateway, lambda address: print(f"listening at {address}", flush=True))


def _servers(texts: list[str]) -> list[dict[str, str]]:
    servers = []
    for position, text in enumerate(texts):
        name, equals, url = text.partition("=")
        if not equals or "/" in name:
            raise InputError(f"--url[{position}]", f"must be PRECISION=URL, got {text!r}")
        servers.append({"precision": name, "url": url})
    return servers


def _shown(settings: GatewaySettings) -> dict[str, Any]:
    """Return the settings as they may be shown."""
    shown = settings.model_dump(mode="json")
    if shown["upstream_key"] is not None:
        shown["upstream_key"] = "(set)"
    for server in shown["servers"]:
        if server["key"] is not None:
            server["key"] = "(set)"
    return shown


def _print_hash() -> None:
    from edgebatch.serving.keys import hash_key

    key = sys.stdin.readline().strip()
    if not key:
        raise InputError("--hash-key", "needs a key on standard input")
    print(hash_key(key))
