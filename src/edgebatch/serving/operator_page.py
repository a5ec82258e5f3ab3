"""The operator's page at ``/``: files that read ``/edgebatch/state`` and need nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOLDER = Path(__file__).parent / "page"
_HEADERS = {
    "cache-control": "no-cache",  # asked again each time, so that parts of one version meet
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class _Parts(StaticFiles):
    """Scripts and styles, with the page's headers."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response


def add_page(app: FastAPI) -> None:
    """Let a gateway show its page; anyone may load it, what it reads needs a key if there are any.

    Args:
        app: the gateway's application.
    """
    html = (_FOLDER / "index.html").read_text(encoding="utf-8")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> HTMLResponse:
        """Return the page."""
        return HTMLResponse(html, headers=_HEADERS)

    app.mount("/edgebatch/page", _Parts(directory=_FOLDER / "parts"), name="page")
