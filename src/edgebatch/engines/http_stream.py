"""One answer of a server, as it streams in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from edgebatch.engines.base import Finish, GenerationRequest, Progress
from edgebatch.engines.http_dialect import Piece, Refused, plain_prompt
from edgebatch.engines.http_server import (
    HttpServer,
    call,
    fault_text,
    require_health,
    unreachable,
)

if TYPE_CHECKING:
    import httpx
    from httpx_sse import ServerSentEvent

LONGEST_EVENT_BYTES = 16 * 2**20
"""More than any event needs: a server that sends a longer one has gone wrong."""
_QUOTED_CHARACTERS = 80
_FAULTS_OF_THE_REQUEST = (400, 413, 422)


class Tally:
    """Counts the tokens of one answer.

    Where the server counts them, by that; else by the ids that it tells; else one for each event
    that has text.

    Attributes:
        total: tokens so far.
        exact: whether the server has counted them.
    """

    def __init__(self) -> None:
        self.total = 0
        self.exact = False

    def new_tokens(self, piece: Piece) -> int:
        """Return how many tokens a piece brings."""
        if piece.total_tokens is not None:
            new = max(0, piece.total_tokens - self.total)
            self.exact = True
        else:
            new = len(piece.tokens) or int(bool(piece.text))
        self.total += new
        return new


class Answer:
    """One request and its stream.

    Args:
        client: to ask with.
        server: whom to ask.
        request: what to ask.
        cache_prompts: whether the server may reuse what it computed for earlier prompts.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        server: HttpServer,
        request: GenerationRequest,
        cache_prompts: bool,
    ) -> None:
        self._client = client
        self._server = server
        self._request = request
        self._cache_prompts = cache_prompts
        self._tally = Tally()
        self._told_all = True
        self._finish: Finish | None = None
        self._prompt_tokens: int | None = None

    async def progress(self) -> AsyncIterator[Progress]:
        """Yield what the request gains, to its end; cancelling closes the connection.

        Raises:
            EngineError: the server cannot be reached, or not any more, or says that it is not well.
        """
        import httpx

        try:
            async for progress in self._stream():
                yield progress
        except Refused as error:
            if not error.is_final:
                # a server may take requests after what computes in it has died
                await require_health(self._client, self._server.address)
            yield self._failed(str(error), is_refused=error.is_final)
        except (ValueError, TypeError, RecursionError) as error:  # such as half a surrogate pair
            said = f"the request cannot be written as JSON: {error}"
            yield self._failed(said, is_refused=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise unreachable(self._server.address, error) from error
        except httpx.HTTPError as error:
            # one broken stream, or a dead server, which will not answer this call either
            await call(self._client, self._server.address, "GET", "/v1/models")
            said = str(error) or type(error).__name__
            yield self._failed(f"the stream was cut short after {self._tally.total} tokens: {said}")

    async def _stream(self) -> AsyncIterator[Progress]:
        import httpx
        from httpx_sse import SSEError, aconnect_sse

        self._check()
        path, body = self._server.dialect.ask(
            self._request, self._server.model, self._cache_prompts
        )
        address = self._server.address
        # a prefill may take any time; that nobody says anything is the engine's to notice
        patient = httpx.Timeout(None, connect=self._client.timeout.connect)
        async with aconnect_sse(
            self._client,
            "POST",
            address.root + path,
            json=body,
            headers={**self._request.headers, **address.headers},
            timeout=patient,
        ) as source:
            source.response.stream = _bounded(source.response)
            if source.response.status_code != 200:
                await source.response.aread()
                raise _refusal(source.response)
            try:
                async for event in source.aiter_sse():
                    if not event.data:  # such as a retry time alone: no event, by the standard
                        continue
                    if event.data == "[DONE]":
                        break
                    progress = self._read(event)
                    if progress.num_tokens or progress.text:
                        yield progress
            except SSEError as error:
                raise Refused(str(error)) from error
            yield self._end()

    def _check(self) -> None:
        dialect, request = self._server.dialect, self._request
        if request.sampling.ignore_end and not dialect.takes_ignore_end:
            said = f"{dialect.name} cannot be told to ignore the end of an answer"
            raise Refused(said, is_final=True)
        if not (request.prompt.messages or plain_prompt(request.prompt)):
            raise Refused("the prompt is empty", is_final=True)

    def _read(self, event: ServerSentEvent) -> Progress:
        try:
            piece = self._server.dialect.read(event.data)
        except ValueError as error:
            raise Refused(f"an event that is not understood: {_quoted(event.data)}") from error
        self._finish = piece.finish or self._finish
        self._prompt_tokens = piece.prompt_tokens or self._prompt_tokens
        new = self._tally.new_tokens(piece)
        # where a character's bytes come together, not all of its tokens' ids come with them; what
        # is told of an answer shall at least be its beginning
        self._told_all = self._told_all and len(piece.tokens) == new
        tokens = piece.tokens if self._told_all else ()
        return Progress(self._request.number, new, piece.text, tokens)

    def _end(self) -> Progress:
        got, wanted = self._tally.total, self._request.max_tokens
        if self._finish is None:
            return self._failed(f"the stream ended after {got} tokens without saying why")
        if self._finish is Finish.LENGTH and self._tally.exact and got < wanted:
            context = self._server.max_context_tokens
            size = f"context of {context} tokens" if context else "context"
            return self._failed(f"the server's {size} was full after {got} of {wanted} new tokens")
        return Progress(
            self._request.number, 0, finish=self._finish, prompt_tokens=self._prompt_tokens
        )

    def _failed(self, error: str, *, is_refused: bool = False) -> Progress:
        # whoever asked is told of a refusal, and where servers are is not theirs to know
        said = error if is_refused else f"{self._server.address.url}: {error}"
        number, finish = self._request.number, Finish.FAILED
        return Progress(number, 0, finish=finish, error=said, is_refused=is_refused)


def _refusal(response: httpx.Response) -> Refused:
    after = response.headers.get("retry-after")
    advice = f" (try again after {after} s)" if after and after.isdigit() else ""
    said = f"{response.status_code}{advice}: {fault_text(response.content)}"
    return Refused(said, is_final=response.status_code in _FAULTS_OF_THE_REQUEST)


def _quoted(data: str) -> str:
    return repr(data if len(data) <= _QUOTED_CHARACTERS else data[:_QUOTED_CHARACTERS] + "…")


def _bounded(response: httpx.Response) -> httpx.AsyncByteStream:
    """Return the response's bytes, which fail at a line without end; the parser keeps it all."""
    import httpx

    assert isinstance(response.stream, httpx.AsyncByteStream)
    inner: httpx.AsyncByteStream = response.stream

    class Bounded(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            line_bytes = 0
            async for chunk in inner:
                newline = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
                line_bytes = len(chunk) - newline - 1 + (line_bytes if newline < 0 else 0)
                if line_bytes > LONGEST_EVENT_BYTES:
                    raise Refused(f"an event of more than {LONGEST_EVENT_BYTES} bytes")
                yield chunk

        async def aclose(self) -> None:
            await inner.aclose()

    return Bounded()
