"""From a request to a ticket: counting its tokens, and putting it to the scheduler."""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from edgebatch.calibration.profile_schema import Source
from edgebatch.calibration.provenance import mismatch
from edgebatch.engines import Engine, EngineInfo, Finish, Prompt, Sampling
from edgebatch.errors import EngineError, InputError
from edgebatch.realtime import Job
from edgebatch.scenario import Policy, Scenario
from edgebatch.scheduling import FastestAnswer, Outcome, Reason, RequestRecord
from edgebatch.serving.failures import Failures
from edgebatch.serving.fleet import Fleet, State
from edgebatch.serving.keeper import EngineKeeper
from edgebatch.serving.lengths import LengthPredictor
from edgebatch.serving.places import Places
from edgebatch.serving.refusals import (
    Advice,
    Refusal,
    invalid,
    not_ready,
    refusal_of,
    refused_by_engine,
    try_later,
)
from edgebatch.serving.settings import GatewaySettings
from edgebatch.serving.slo import Slo
from edgebatch.serving.ticket import Ticket
from edgebatch.units import RELATIVE_TOLERANCE
from edgebatch.workload import Arrival

log = structlog.get_logger("edgebatch.gateway")

_MOST_RECORDS = 10_000
_ESTIMATE_SECONDS = 0.05
"""How long an estimate of when to retry is told to whoever else is turned away."""
_LEAST_COUNTING = 100
"""So many may wait for their tokens to be counted, or as many as the queue has places: usually that
is a moment, but an engine that hangs lets them pile up."""
_BYTES_PER_TOKEN = 3
"""Fewer than of most texts, so that a prompt is not taken for shorter than it is."""


class Gateway:
    """The scheduler in front of engines that are kept running.

    Args:
        settings: of the gateway.
        scenario: node, model and precisions as they were measured, and the queue's limit.
        policy: who decides.
        make_engines: of each server of the scenario, or of its one node: makes the engine, and
            again after it broke.
        names: of the engines where there are several, as operators know them.

    Attributes:
        fleet: the engines.
        dispatcher: the scheduler's driver.
        precisions: those of the hosted ones that the policy runs.
        outcomes: how many requests ended how, and why.
        num_received: requests put to the scheduler or turned away at once; each is counted in
            ``outcomes`` when it ends.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        scenario: Scenario,
        policy: Policy,
        make_engines: Sequence[Callable[[], Engine]],
        names: Sequence[str] = ("",),
    ) -> None:
        self.settings, self.scenario, self.policy = settings, scenario, policy
        self._failures = Failures()
        self.dispatcher = scenario.dispatcher(policy, *(make() for make in make_engines))
        self.dispatcher.keep(_MOST_RECORDS)
        hostings = scenario.servers or (scenario.hosting,)
        compare = [
            functools.partial(_compare, name, source, hosting.max_running)
            for name, source, hosting in zip(names, scenario.sources, hostings, strict=True)
        ]
        keepers = [
            EngineKeeper(name, make, driver, self._failures, on_first_start)
            for name, make, driver, on_first_start in zip(
                names, make_engines, self.dispatcher.drivers, compare, strict=True
            )
        ]
        self.fleet = Fleet(keepers, self.dispatcher, self._failures)
        self.outcomes: Counter[tuple[Outcome, Reason]] = Counter()
        self.num_received = 0
        self.on_end: list[Callable[[Ticket, RequestRecord], None]] = []
        self.on_count: list[Callable[[Outcome, Reason], None]] = []
        self.on_turned_away: list[Callable[[int, Reason], None]] = []
        self._numbers = itertools.count()
        self._lengths = LengthPredictor(settings.lengths)
        self._places = Places(settings)
        self._unfinished: Counter[int] = Counter()
        self._num_counting = 0
        self._estimates: dict[tuple[int, ...], tuple[float, float]] = {}
        self.precisions = scenario.precisions_run(policy)
        hostings = scenario.servers or (replace(scenario.hosting, precisions=self.precisions),)
        self._fastest = [FastestAnswer(each.node, each.model, each.precisions) for each in hostings]

    @property
    def state(self) -> State:
        """What it can do."""
        return self.fleet.state

    @property
    def info(self) -> EngineInfo:
        """What the engine says of itself."""
        return self.fleet.info

    @property
    def num_restarts(self) -> int:
        """How often the engine broke and came back."""
        return self.fleet.num_restarts

    async def start(self) -> None:
        """Start the engine and begin to take requests.

        Raises:
            EngineError: it cannot start.
            InputError: it cannot load the model.
        """
        await self.fleet.start()

    async def until_failed(self) -> None:
        """Wait until it turns out that nobody can be served any more; for ever if that is not so.

        Raises:
            EngineError: why.
        """
        await self.fleet.until_failed()

    async def drain(self) -> None:
        """Take no new requests and wait until those that came in have ended, for so long."""
        await self.fleet.drain(self.settings.drain_seconds)

    async def stop(self) -> None:
        """End the engine; whoever still waits or runs has failed."""
        await self.fleet.stop()

    async def ask(
        self,
        prompt: Prompt,
        slo: Slo,
        sampling: Sampling,
        tenant: int,
        headers: Mapping[str, str],
    ) -> Ticket:
        """Take a request in.

        Args:
            prompt: what to answer.
            slo: what it demands.
            sampling: how tokens are chosen.
            tenant: whose it is.
            headers: for an engine behind HTTP to send along.

        Returns:
            Its ticket; the request may have been turned away already.

        Raises:
            Refusal: it is not even put to the scheduler, and why.
        """
        self.require_place(tenant)
        # before tokens are counted, for which the engine may take as long as a pass
        arrived_at_seconds = self.dispatcher.timers.now
        asked = prompt
        self._num_counting += 1
        try:
            prompt, prompt_tokens = await self._counted(asked, tenant)
        finally:
            self._num_counting -= 1
        self.require_place(tenant)  # others have come meanwhile, or the engine has gone
        max_tokens = self._limit(prompt_tokens, slo.max_tokens)
        arrival = Arrival(
            number=next(self._numbers),
            arrival_seconds=arrived_at_seconds,
            prompt_tokens=prompt_tokens,
            output_tokens=self._reckoned(tenant, max_tokens, sampling),
            actual_output_tokens=max_tokens,
            deadline_seconds=slo.e2e_seconds,
            min_quality=slo.min_quality,
            value=slo.value,
            tenant=tenant,
            ttft_seconds=slo.ttft_seconds,
        )
        if len(self.fleet.keepers) > 1:
            self._require_server(arrival)
        ticket = Ticket(arrival, asked, structlog.contextvars.get_contextvars())
        self.num_received += 1
        self._unfinished[tenant] += 1
        self.dispatcher.submit(
            arrival,
            Job(
                prompt=prompt,
                sampling=sampling,
                max_tokens=max_tokens,
                headers=headers,
                on_joined=ticket.note_joined,
                on_progress=ticket.note_progress,
                on_end=lambda record: self._ended(ticket, record, sampling),
            ),
        )
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Call a request off, because nobody waits for its answer."""
        if ticket.record is None:
            self.dispatcher.cancel(ticket.arrival.number)

    def refusal(self, ticket: Ticket) -> Refusal:
        """Return why a request that has ended got no answer."""
        assert ticket.record is not None
        if ticket.refused_because:
            return refused_by_engine(ticket.refused_because)
        engines = self.dispatcher.who_is_fast_enough(ticket.arrival)
        retry_after_seconds = self._retry_after_seconds(engines)
        return refusal_of(ticket.record, self._possible(ticket), retry_after_seconds)

    def require_place(self, tenant: int) -> None:
        """Turn a request away, and count it, if it need not even be looked at.

        Raises:
            Refusal: no requests are taken, or too many are here.
        """
        if self.state is State.DRAINING:
            raise self._not_ready(tenant, "the gateway is going down; ask another one", None)
        if self.state is not State.READY:
            raise self._not_ready(tenant, "the engine is not running; it is being started")
        keys = self.settings.keys
        most = keys[tenant].most_unfinished if keys else None
        if most is not None and self._unfinished[tenant] >= most:
            raise self._full(tenant, f"this key has {most} requests waiting or running already")
        if self._num_counting >= max(_LEAST_COUNTING, self.settings.limits.queue):
            raise self._full(tenant, "the tokens of too many requests are being counted")
        queue = self.dispatcher
        if not self._places.has_one(tenant, queue.shortest_line, queue.num_waiting_of):
            raise self._full(tenant, "too many requests are waiting")

    def _require_server(self, arrival: Arrival) -> None:
        """Turn a request away if none of the servers that could answer it runs, or has a place."""
        dispatcher, tenant = self.dispatcher, arrival.tenant
        if not dispatcher.can_serve_now(arrival):
            said = "the servers that could answer this are not running; they are being looked for"
            raise self._not_ready(tenant, said)
        engines = dispatcher.who_could_serve(arrival)
        num_beside = functools.partial(dispatcher.num_beside, engines)
        if not self._places.has_one(tenant, num_beside(), num_beside):
            raise self._full(tenant, "too many requests are waiting", engines)

    def _turn_away(self, tenant: int, reason: Reason) -> None:
        self.num_received += 1
        self._count(Outcome.REJECTED, reason)
        for listener in self.on_turned_away:
            listener(tenant, reason)

    def _not_ready(
        self, tenant: int, message: str, retry_after_seconds: float | None = 1.0
    ) -> Refusal:
        self._turn_away(tenant, Reason.ENGINE)
        return not_ready(message, retry_after_seconds)

    def _full(self, tenant: int, message: str, engines: tuple[int, ...] | None = None) -> Refusal:
        self._turn_away(tenant, Reason.QUEUE_FULL)
        if engines is None:
            engines = self.dispatcher.who_is_busy()
        return try_later(message, "queue_full", self._retry_after_seconds(engines))

    def _retry_after_seconds(self, engines: tuple[int, ...]) -> float:
        """Return the scheduler's estimate, of a moment ago if many are turned away at once.

        It takes a look at everyone who runs, and is told in whole seconds.

        Args:
            engines: those that could serve whoever asks.
        """
        now = self.dispatcher.timers.now
        seconds, until = self._estimates.get(engines, (0.0, -math.inf))
        if now >= until:
            seconds = self.dispatcher.retry_after_seconds(engines)
            self._estimates[engines] = seconds, now + _ESTIMATE_SECONDS
        return seconds

    async def _counted(self, prompt: Prompt, tenant: int) -> tuple[Prompt, int]:
        """Return the prompt as token ids, and how many; without a tokenizer, at most so many."""
        if prompt.tokens is None and not self.fleet.has_tokenizer:
            return prompt, _at_most_tokens(prompt)
        try:
            tokens = prompt.tokens or await self.fleet.encode(prompt)
        except EngineError as error:
            said = "the engine broke; it is being started again"
            raise self._not_ready(tenant, said) from error
        except InputError as error:
            raise invalid(str(error), "prompt") from error
        if not tokens:
            raise invalid("the prompt is empty", "prompt")
        end = self.info.vocabulary_size
        strange = next((token for token in tokens if end is not None and token >= end), None)
        if strange is not None:
            raise invalid(f"the model has no token {strange}", "prompt")
        counted = Prompt(tokens=tokens) if self.fleet.all_take_tokens else prompt
        return counted, len(tokens)

    def _limit(self, prompt_tokens: int, max_tokens: int) -> int:
        """Return the output limit, no more than the context has room for."""
        context = self.info.max_context_tokens
        if context is None:
            return max_tokens
        if prompt_tokens >= context:
            raise invalid(
                f"the prompt has {prompt_tokens} tokens, but prompt and answer together can have "
                f"{context} at most",
                "messages",
                "context_length_exceeded",
            )
        return min(max_tokens, context - prompt_tokens)

    def _reckoned(self, tenant: int, max_tokens: int, sampling: Sampling) -> int:
        """Return how many tokens the scheduler is to reckon with."""
        return max_tokens if sampling.ignore_end else self._lengths.predict(tenant, max_tokens)

    def _learn_length(self, ticket: Ticket, sampling: Sampling) -> None:
        if sampling.ignore_end or ticket.finish not in (Finish.STOP, Finish.LENGTH):
            return
        limit = ticket.arrival.actual_output_tokens
        # a server behind the gateway may have a limit below ours
        length = limit if ticket.finish == Finish.LENGTH else ticket.num_tokens
        self._lengths.observe(ticket.arrival.tenant, limit, length)

    def _ended(self, ticket: Ticket, record: RequestRecord, sampling: Sampling) -> None:
        tenant = ticket.arrival.tenant
        self._unfinished[tenant] -= 1
        self._count(Outcome(record.outcome), Reason(record.reason))
        self._learn_length(ticket, sampling)
        ticket.note_end(record)
        if record.outcome == Outcome.FAILED and not ticket.refused_because:
            self._failures.note(ticket, self.info.engine)
        for listener in self.on_end:
            listener(ticket, record)

    def _count(self, outcome: Outcome, reason: Reason) -> None:
        self.outcomes[outcome, reason] += 1
        for listener in self.on_count:
            listener(outcome, reason)

    def _possible(self, ticket: Ticket) -> Advice:
        """Return what would be possible for a request that can never be served as asked."""
        arrival, record = ticket.arrival, ticket.record
        assert record is not None
        if record.reason == Reason.QUALITY:
            best = max(self.precisions, key=lambda each: each.quality)
            return Advice(
                f"the best precision here, {best.name}, has a quality of "
                f"{_rounded_down(best.quality)}, less than the {arrival.min_quality:.4g} asked for",
                "min_quality",
            )
        if record.reason == Reason.DEADLINE:
            return self._possible_deadline(arrival, record)
        total = arrival.prompt_tokens + arrival.actual_output_tokens
        told = f"{total} tokens of prompt and answer do not fit the memory; ask for fewer"
        return Advice(told, "max_tokens")

    def _possible_deadline(self, arrival: Arrival, record: RequestRecord) -> Advice:
        """Return what the deadline that is missed by more would have to be at least."""
        prompt, output, quality = arrival.prompt_tokens, arrival.output_tokens, arrival.min_quality
        gone_seconds = record.decided_at_seconds - arrival.arrival_seconds
        paces = [max(1.0, each.cautious_pace) for each in self.dispatcher.drivers]
        seconds, first_seconds = min(
            (
                pace * each.look_up(prompt, output, quality)[0],
                pace * each.first_token_seconds(prompt, quality),
            )
            for pace, each in zip(paces, self._fastest, strict=True)
        )
        least_ms = _milliseconds(gone_seconds + seconds)
        least_first_ms = _milliseconds(gone_seconds + first_seconds)
        if arrival.ttft_seconds - first_seconds < arrival.deadline_seconds - seconds:
            return Advice(
                f"the first token takes at least {least_first_ms} ms; allow that, or send a "
                "shorter prompt",
                "slo_ttft_ms",
            )
        return Advice(
            f"an answer of {output} tokens takes at least {least_ms} ms; allow that, or ask for "
            "fewer tokens",
            "slo_e2e_ms",
        )


def _compare(name: str, source: Source | None, max_running: int | None, info: EngineInfo) -> None:
    """Let the log say where an engine is not what its profile is of."""
    named = {"server": name} if name else {}
    if source is not None and (said := mismatch(source, info)):
        log.warning("profile of something else", problem=said, **named)
    engines = info.max_running
    if max_running is not None and engines is not None and engines > max_running:
        log.warning("profile of fewer at once", profile=max_running, engine=engines, **named)


def _milliseconds(seconds: float) -> int:
    """Return whole milliseconds that suffice."""
    return math.ceil(1000.0 * seconds * (1.0 - RELATIVE_TOLERANCE))


def _rounded_down(quality: float) -> float:
    """Return a quality in few digits that is no higher."""
    return math.floor(1e4 * quality) / 1e4


def _at_most_tokens(prompt: Prompt) -> int:
    texts = [prompt.text or ""]
    texts += [str(message.get("content", "")) for message in prompt.messages or ()]
    num_bytes = sum(len(text.encode()) for text in texts)
    return max(1, math.ceil(num_bytes / _BYTES_PER_TOKEN) + 8 * len(texts))
