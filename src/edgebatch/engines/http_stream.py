"""One answer of a server, as it streams in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from edgebatch.engines.base import Finish, GenerationRequest, Progress
from edgebatch.engines.http_client import is_unreachable, reason_of, response_to
from edgebatch.engines.http_dialect import Piece, Refused, plain_prompt
from edgebatch.engines.http_server import (
    FAULTS_OF_THE_REQUEST,
    HttpServer,
    call,
    fault_text,
    require_health,
    unreachable,
)
from edgebatch.engines.server_sent_events import EventReader, EventTooLongError

if TYPE_CHECKING:
    import aiohttp

_QUOTED_CHARACTERS = 80
_WANTED = {"Accept": "text/event-stream", "Cache-Control": "no-store"}


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

    Attributes:
        server: as given.
    """

    def __init__(
        self,
        client: aiohttp.ClientSession,
        server: HttpServer,
        request: GenerationRequest,
        cache_prompts: bool,
    ) -> None:
        self._client = client
        self.server = server
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
        import aiohttp

        try:
            async for progress in self._stream():
                yield progress
        except Refused as error:
            if not error.is_final:
                # a server may take requests after what computes in it has died
                await require_health(self._client, self.server.address)
            yield self._failed(str(error), is_refused=error.is_final)
        except EventTooLongError as error:
            yield self._failed(str(error))
        except (ValueError, TypeError, RecursionError) as error:  # such as half a surrogate pair
            said = f"the request cannot be written as JSON: {error}"
            yield self._failed(said, is_refused=True)
        except aiohttp.ClientError as error:
            if is_unreachable(error):
                raise unreachable(self.server.address, error) from error
            # one broken stream, or a dead server, which will not answer this call either
            await call(self._client, self.server.address, "GET", "/v1/models")
            said = f"the stream was cut short after {self._tally.total} tokens: {reason_of(error)}"
            yield self._failed(said)

    async def _stream(self) -> AsyncIterator[Progress]:
        self._check()
        path, body = self.server.dialect.ask(self._request, self.server.model, self._cache_prompts)
        address = self.server.address
        headers = {**_WANTED, **self._request.headers, **address.headers}
        # a prefill may take any time; that nobody says anything is the engine's to notice
        async with response_to(
            self._client, "POST", address.root + path, body, headers, is_patient=True
        ) as response:
            if response.status != 200:
                raise _refusal(response, await response.read())
            if response.content_type != _WANTED["Accept"]:
                raise Refused(f"an answer of type {response.content_type}, not a stream of events")
            reader = EventReader()
            async for chunk in response.content.iter_any():
                for data in reader.feed(chunk):
                    if data == "[DONE]":
                        yield self._end()
                        return
                    progress = self._read(data)
                    if progress.num_tokens or progress.text:
                        yield progress
            yield self._end()

    def _check(self) -> None:
        dialect, request = self.server.dialect, self._request
        if request.sampling.ignore_end and not dialect.takes_ignore_end:
            said = f"{dialect.name} cannot be told to ignore the end of an answer"
            raise Refused(said, is_final=True)
        if not (request.prompt.messages or plain_prompt(request.prompt)):
            raise Refused("the prompt is empty", is_final=True)

    def _read(self, data: str) -> Progress:
        try:
            piece = self.server.dialect.read(data)
        except ValueError as error:
            raise Refused(f"an event that is not understood: {_quoted(data)}") from error
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
            context = self.server.max_context_tokens
            size = f"context of {context} tokens" if context else "context"
            return self._failed(f"the server's {size} was full after {got} of {wanted} new tokens")
        return Progress(
            self._request.number, 0, finish=self._finish, prompt_tokens=self._prompt_tokens
        )

    def _failed(self, error: str, *, is_refused: bool = False) -> Progress:
        # whoever asked is told of a refusal, and where servers are is not theirs to know
        said = error if is_refused else f"{self.server.address.url}: {error}"
        number, finish = self._request.number, Finish.FAILED
        return Progress(number, 0, finish=finish, error=said, is_refused=is_refused)


def _refusal(response: aiohttp.ClientResponse, content: bytes) -> Refused:
    after = response.headers.get("retry-after")
    advice = f" (try again after {after} s)" if after and after.isdigit() else ""
    said = f"{response.status}{advice}: {fault_text(content)}"
    return Refused(said, is_final=response.status in FAULTS_OF_THE_REQUEST)


def _quoted(data: str) -> str:
    return repr(data if len(data) <= _QUOTED_CHARACTERS else data[:_QUOTED_CHARACTERS] + "…")
