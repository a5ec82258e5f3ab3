"""A scenario: everything that a run depends on but the policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from edgebatch.calibration.profile_schema import Source
from edgebatch.cost import BatchCost, require_hostable
from edgebatch.engines import Engine
from edgebatch.errors import InputError
from edgebatch.problem import Precision
from edgebatch.radio import Channel
from edgebatch.realtime import ContinuousDispatcher, Dispatcher, EpochDispatcher
from edgebatch.scenario.document import overridden, read_document
from edgebatch.scenario.hosting import (
    build_channel,
    build_hosting,
    build_servers,
    profile_source,
    server_sources,
)
from edgebatch.scenario.policy import CONTINUOUS, ROLLING, Policy
from edgebatch.scenario.schema import ScenarioDocument
from edgebatch.scenario.workload import build_workload
from edgebatch.scheduling import (
    ContinuousScheduler,
    EpochScheduler,
    Hosting,
    JoiningScheduler,
    JoinRules,
    Ledger,
    NodePool,
    RollingRules,
    RollingScheduler,
    WaitingQueue,
    precision_that_runs,
)
from edgebatch.schema import validated
from edgebatch.simulation import (
    ContinuousSimulation,
    EpochProtocol,
    EpochSimulation,
    Reality,
    RunLog,
)
from edgebatch.solvers import Stop
from edgebatch.solvers.registry import make_solver
from edgebatch.workload import Workload

_LONGEST_DECISION_SECONDS = 0.05
"""In real time, unless the scenario says otherwise."""


@dataclass(frozen=True)
class Scenario:
    """A checked scenario document and what it stands for.

    Attributes:
        document: the document, defaults not filled in; plain data, so it travels to other
            processes.

    Raises:
        InputError: with the path of the first offending key.
        CannotHostError: the weights do not fit.
    """

    document: dict[str, Any]
    _checked: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked = validated(self.document, ScenarioDocument).model_dump(exclude_unset=True)
        object.__setattr__(self, "_checked", checked)
        for hosting in self.servers or (self.hosting,):
            require_hostable(hosting.node, hosting.model, hosting.precisions)

    @classmethod
    def load(cls, source: str, settings: Sequence[str] = ()) -> Scenario:
        """Return a scenario from a file, or a built-in one by name, with keys overridden.

        Args:
            source: path of a TOML file, or one of :func:`builtin_names`.
            settings: such as ``workload.rate_per_second=2``.
        """
        return cls(overridden(read_document(source), settings))

    def with_settings(self, *settings: str) -> Scenario:
        """Return a copy with keys overridden."""
        return Scenario(overridden(self.document, settings))

    def section(self, name: str) -> dict[str, Any]:
        """Return a section of the checked document, empty if it is not there."""
        section: dict[str, Any] = self._checked.get(name, {})
        return section

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return int(self._checked.get("seed", 0))

    @cached_property
    def hosting(self) -> Hosting:
        """What is hosted where; of servers that all have their own profile, by the first."""
        if self.servers and not {"profile", "node"} & self._checked.keys():
            return self.servers[0]
        return build_hosting(self._checked)

    @cached_property
    def servers(self) -> tuple[Hosting, ...]:
        """Those behind one queue, each with its one precision; empty if there is but one node."""
        return build_servers(self._checked)

    @cached_property
    def source(self) -> Source | None:
        """Where its profile comes from; None if it has none."""
        return profile_source(self._checked)

    @cached_property
    def sources(self) -> tuple[Source | None, ...]:
        """Where the profile of each server comes from, or of the one node."""
        return server_sources(self._checked) or (self.source,)

    @cached_property
    def workload(self) -> Workload:
        """Who arrives."""
        return build_workload(self.section("workload"), self.seed)

    @cached_property
    def channel(self) -> Channel | None:
        """The radio links of the workload's users; None if the radio is no bottleneck."""
        return build_channel(self._checked.get("radio"), self.seed)

    @property
    def reality(self) -> Reality:
        """How true times differ from believed ones."""
        return Reality(**self.section("reality"), seed=self.seed)

    @property
    def stop(self) -> Stop:
        """Limits of each decision."""
        section = self.section("scheduler")
        return Stop(
            time_limit_seconds=section.get("time_limit_seconds"),
            node_limit=section.get("node_limit"),
        )

    def run(
        self,
        policy: Policy,
        workload: Workload | None = None,
        on_arrival: Callable[[], None] | None = None,
    ) -> RunLog:
        """Simulate the scenario under one policy.

        Args:
            policy: who decides.
            workload: who arrives, if not the scenario's own workload.
            on_arrival: called at each arrival, for showing progress.
        """
        arriving = self.workload if workload is None else workload
        if policy.is_continuous:
            pool, names = self._pool(policy), self._names_run(policy)
            return ContinuousSimulation(pool, arriving, self.reality, names).run(on_arrival)
        self._require_one_node(policy)
        scheduler = self._epoch_scheduler(policy, self.stop)
        protocol = self._protocol(policy)
        return EpochSimulation(scheduler, arriving, protocol, self.reality).run(on_arrival)

    def dispatcher(self, policy: Policy, *engines: Engine) -> Dispatcher:
        """Return what drives engines under one policy in real time; its clock starts now.

        Args:
            policy: who decides.
            engines: one of each server, or of the one node, with its precisions by the same names.

        Raises:
            InputError: as many are needed as there are servers, or the policy is for one node.
        """
        if len(engines) != max(1, len(self.servers)):
            raise InputError(
                "servers", f"are {len(self.servers)}, but {len(engines)} engine(s) are driven"
            )
        if policy.is_continuous:
            return ContinuousDispatcher(engines, self._pool(policy), self._names_run(policy))
        self._require_one_node(policy)
        [engine] = engines
        # nothing else happens while a batch is decided
        limit = self.stop.time_limit_seconds or _LONGEST_DECISION_SECONDS
        stop = replace(self.stop, time_limit_seconds=limit)
        return EpochDispatcher(engine, self._epoch_scheduler(policy, stop), self._protocol(policy))

    def precisions_run(self, policy: Policy) -> tuple[Precision, ...]:
        """Return the precisions that a policy ever uses.

        In epochs these are all hosted ones; else that of each server, or of the one node.

        Raises:
            UnknownNameError: the policy's own is not hosted.
            InputError: the policy's own is not that of all servers, or it is for one node.
        """
        if not policy.is_continuous:
            self._require_one_node(policy)
            return self.hosting.precisions
        self._require_no_other_precision(policy)
        if not self.servers:
            return (precision_that_runs(self.hosting, policy.precision),)
        run = sorted((each.precisions[0] for each in self.servers), key=lambda each: each.quality)
        best = {each.name: each for each in run}
        return tuple(best[name] for name in dict.fromkeys(self._names_served()))

    def step_costs(self, policy: Policy) -> tuple[BatchCost, ...]:
        """Return what steps take in each precision that runs, for one simulated engine.

        As in a simulation, a batch has its overhead in epochs only: where requests join one by one
        no batch begins.

        Raises:
            InputError: there are several servers.
        """
        self.require_one_engine()
        node = self.hosting.node
        if policy.is_continuous:
            node = node.replace(batch_overhead_seconds=0.0)
        return tuple(
            BatchCost(node, self.hosting.model, each) for each in self.precisions_run(policy)
        )

    def require_one_engine(self) -> None:
        """Raise if there are several servers."""
        if self.servers:
            raise InputError("servers", "must not be there: one engine is driven")

    def _epoch_scheduler(self, policy: Policy, stop: Stop) -> EpochScheduler:
        return EpochScheduler(
            self.hosting,
            make_solver(policy.name, batch_cap=policy.batch_cap),
            stop=stop,
            channel=self.channel,
            queue_limit=self.section("scheduler").get("queue_limit"),
        )

    def _protocol(self, policy: Policy) -> EpochProtocol:
        section = self.section("scheduler")
        return EpochProtocol(
            pipelined=section.get("pipelined", True),
            epoch_seconds=section.get("epoch_seconds"),
            longest_batch_seconds=policy.longest_batch_seconds
            or section.get("longest_batch_seconds"),
        )

    def _require_one_node(self, policy: Policy) -> None:
        if self.servers:
            raise InputError(
                "servers",
                f"go with policies under which requests join a running batch, such as {ROLLING}; "
                f"{policy.name} decides in epochs, for one node",
            )

    def _require_no_other_precision(self, policy: Policy) -> None:
        for name in self._names_served():
            if policy.precision not in (None, name):
                raise InputError(
                    "servers",
                    f"must all serve {policy.precision!r}, which is the one that the policy runs; "
                    f"got {name!r}",
                )

    def _names_served(self) -> list[str]:
        return [each.precisions[0].name for each in self.servers]

    def _names_run(self, policy: Policy) -> tuple[str, ...]:
        """Return the names that records refer to under policies that run one precision a node."""
        precisions = self.precisions_run(policy) if self.servers else self.hosting.precisions
        return tuple(each.name for each in precisions)

    def _pool(self, policy: Policy) -> NodePool:
        names = self._names_run(policy)
        queue = WaitingQueue(Ledger(), queue_limit=self.section("scheduler").get("queue_limit"))
        schedulers = []
        for hosting in self.servers or (self.hosting,):
            scheduler = self._joining_scheduler(policy, hosting, queue)
            scheduler.precision = names.index(scheduler.cost.precision.name)
            schedulers.append(scheduler)
        return NodePool(schedulers)

    def _joining_scheduler(
        self, policy: Policy, hosting: Hosting, queue: WaitingQueue
    ) -> JoiningScheduler:
        section = self.section("scheduler")
        if policy.name == ROLLING:
            rolling = RollingRules(
                precision=policy.precision,
                batch_cap=policy.batch_cap,
                reserve=policy.reserve,
                safety=1.0 if policy.safety is None else policy.safety,
                ageing=policy.ageing or 0.0,
                shares=tuple(section.get("tenant_shares", ())),
            )
            return RollingScheduler(hosting, rolling, queue)
        rules = JoinRules(
            order=CONTINUOUS[policy.name],
            batch_cap=policy.batch_cap,
            expire=bool(policy.expire),
            precision=policy.precision,
        )
        return ContinuousScheduler(hosting, rules, queue)
