"""Prometheus metrics; vLLM's names where the meaning is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edgebatch.scheduling import Outcome, Reason, RequestRecord
from edgebatch.serving.answers import is_whole
from edgebatch.serving.fleet import State
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.keeper import EngineKeeper
from edgebatch.serving.ticket import Ticket

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300)
_READY = ("edgebatch_ready", "1 if requests are taken")
_RATIOS = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0, 4.0)


class GatewayMetrics:
    """What a gateway counts and measures.

    Args:
        gateway: which.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._registry = CollectorRegistry()
        self._gateway = gateway
        self._ends = Counter(
            "edgebatch_requests",
            "Requests by how they ended and why",
            ("outcome", "reason", "precision", "key"),
            registry=self._registry,
        )
        self._prompt_tokens = self._counter("vllm:prompt_tokens", "Prompt tokens answered")
        self._tokens = self._counter("vllm:generation_tokens", "Tokens of answers")
        self._ttft = self._histogram(
            "vllm:time_to_first_token_seconds", "Arrival to the first token", _SECONDS
        )
        self._e2e = self._histogram(
            "vllm:e2e_request_latency_seconds", "Arrival to the last token", _SECONDS
        )
        self._queued = self._histogram(
            "vllm:request_queue_time_seconds", "Arrival to joining the batch", _SECONDS
        )
        self._predicted = self._histogram(
            "edgebatch_actual_to_predicted_ratio",
            "Actual time over predicted time from joining, answers that reached their limit",
            _RATIOS,
        )
        self._registry.register(_Now(gateway))
        ProcessCollector(registry=self._registry)
        gateway.on_end.append(self._observe)
        gateway.on_turned_away.append(self._turned_away)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, told: str) -> Counter:
        return Counter(name, told, registry=self._registry)

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, told, buckets=buckets, registry=self._registry)

    def _key(self, tenant: int) -> str:
        keys = self._gateway.settings.keys
        return keys[tenant].name if keys else ""

    def _turned_away(self, tenant: int, reason: Reason) -> None:
        told = Outcome.REJECTED.name.lower(), reason.name.lower()
        self._ends.labels(*told, "", self._key(tenant)).inc()

    def _observe(self, ticket: Ticket, record: RequestRecord) -> None:
        self._ends.labels(
            Outcome(record.outcome).name.lower(),
            Reason(record.reason).name.lower(),
            "" if ticket.joined is None else ticket.joined.precision,
            self._key(ticket.arrival.tenant),
        ).inc()
        if not is_whole(ticket) or ticket.joined is None:
            return
        arrived_at = record.arrival_seconds
        self._prompt_tokens.inc(record.prompt_tokens)
        self._tokens.inc(ticket.num_tokens)
        self._ttft.observe(record.first_token_at_seconds - arrived_at)
        self._e2e.observe(record.last_token_at_seconds - arrived_at)
        joined_at = ticket.joined.at_seconds
        self._queued.observe(joined_at - arrived_at)
        believed = ticket.joined.believed_end_seconds - joined_at
        if believed > 0.0 and ticket.num_tokens >= record.output_tokens:
            self._predicted.observe((record.last_token_at_seconds - joined_at) / believed)


class _Now(Collector):
    """What is so at the moment at which it is asked for."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterable[Metric]:
        """Return the figures of now."""
        gateway = self._gateway
        if gateway.state is State.STARTING:
            yield GaugeMetricFamily(*_READY, value=0.0)
            return
        dispatcher = gateway.dispatcher
        members = dispatcher.members
        figures = (
            ("vllm:num_requests_running", "Requests in the engine", len(members)),
            ("vllm:num_requests_waiting", "Requests that wait", dispatcher.num_waiting),
            (
                "edgebatch_requests_unfinished",
                "Requests received that have not ended",
                dispatcher.num_unfinished,
            ),
            (*_READY, gateway.state is State.READY),
            ("edgebatch_asyncio_tasks", "Tasks in the event loop", len(asyncio.all_tasks())),
        )
        for name, told, value in figures:
            yield GaugeMetricFamily(name, told, value=float(value))
        yield from self._of_servers()
        yield CounterMetricFamily(
            "edgebatch_requests_received",
            "Requests that were scheduled or turned away at once",
            value=float(gateway.num_received),
        )

    def _of_servers(self) -> Iterable[Metric]:
        """Yield what there is of each server, by name where there are several."""
        keepers = self._gateway.fleet.keepers
        figures: tuple[tuple[str, str, Callable[[EngineKeeper], float]], ...] = (
            ("edgebatch_server_up", "1 if requests can go to it", lambda each: each.is_running),
            (
                "edgebatch_server_requests_running",
                "Requests in it",
                lambda each: len(each.driver.members),
            ),
            (
                "edgebatch_engine_restarts",
                "How often it broke and came back",
                lambda each: each.num_restarts,
            ),
            (
                "edgebatch_pace",
                "True over believed time",
                lambda each: each.driver.believed_pace,
            ),
            (
                "edgebatch_memory_use",
                "Part of the node's memory in use",
                lambda each: each.driver.memory_use,
            ),
        )
        for name, told, of_server in figures:
            labels = ("server",) if len(keepers) > 1 else ()
            family = GaugeMetricFamily(name, told, labels=labels)
            for keeper in keepers:
                family.add_metric((keeper.name,)[: len(labels)], float(of_server(keeper)))
            yield family
