"""Several servers behind one gateway: the others go on when one is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from edgebatch.engines import Engine, EngineInfo, GenerationRequest, Prompt, Report
from edgebatch.errors import EngineError, InputError
from edgebatch.scenario import Scenario, parse_policy
from edgebatch.serving.gateway import Gateway
from edgebatch.serving.keys import hash_key
from edgebatch.serving.settings import load_settings
from serving.gateway_thread import DOCUMENT, FragileEngine, GatewayThread
from serving.test_overload import ask, outcomes, wait_for
from serving.unanswered import asking

[W8] = DOCUMENT["precisions"]["custom"]
W16 = {**W8, "name": "w16", "weight_bytes": 2.0, "quality": 1.0}
BOTH = {**DOCUMENT, "precisions": {"custom": [W8, W16]}}
SERVERS = {**BOTH, "servers": [{"precision": "w8"}, {"precision": "w16"}]}


class _Absent(FragileEngine):
    """Cannot be started as long as it is away."""

    def __init__(self, scenario: Scenario, error: Exception | None = None) -> None:
        super().__init__(scenario)
        self.error = error

    async def start(self) -> EngineInfo:
        if self.error is not None:
            raise self.error
        return await super().start()

    async def report(self) -> Report:
        reported = asyncio.ensure_future(super().report())
        while not (await asyncio.wait({reported}, timeout=0.01))[0]:
            if self.is_broken or self.is_mad:  # also while nothing runs
                reported.cancel()
                return await super().report()
        return await reported


class Servers(GatewayThread):
    """A gateway before two servers that are called ``good`` and ``better``."""

    document = SERVERS
    names = ("good", "better")

    def __init__(self, *absent: Exception | None, **settings: Any) -> None:
        self.made: list[list[_Absent]] = [[], []]
        self.errors = [*absent, None, None][:2]
        super().__init__(**settings)

    def _makers(self) -> Sequence[Callable[[], Engine]]:
        return [lambda: self._make(0), lambda: self._make(1)]

    def _make(self, position: int) -> Engine:
        made = _Absent(Scenario(BOTH), self.errors[position])
        self.made[position].append(made)
        return made

    def break_server(self, position: int) -> None:
        """Let a server break when it next reports, and be away for good."""
        self.errors[position] = EngineError("it is away")
        self.made[position][-1].is_broken = True


def state(thread: GatewayThread) -> dict[str, Any]:
    return dict(httpx.get(f"{thread.url}/edgebatch/state").json())


def long_stream(url: str) -> Any:
    body = {"prompt": "Once", "max_tokens": 300, "stream": True, "slo_e2e_ms": 60_000}
    return httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=30)


def test_each_request_goes_to_a_server_that_is_good_enough() -> None:
    with Servers() as thread:
        for quality, precisions in ((0.0, {"w8", "w16"}), (0.999, {"w16"})):
            for _ in range(3):
                answer = ask(thread.url, max_tokens=2, min_quality=quality)
                assert answer.status_code == 200
                assert answer.json()["edgebatch"]["precision"] in precisions
        models = httpx.get(f"{thread.url}/v1/models").json()["data"]
        assert [each["name"] for each in models[0]["precisions"]] == ["w8", "w16"]
        hopeless = ask(thread.url, max_tokens=2, slo_e2e_ms=1)
        assert hopeless.status_code == 422


def test_two_long_answers_run_side_by_side() -> None:
    with Servers() as thread, long_stream(thread.url) as first, long_stream(thread.url) as second:
        lines = [answer.iter_lines() for answer in (first, second)]
        for each in lines:
            next(each)
        told = state(thread)
        assert [each["name"] for each in told["servers"]] == ["good", "better"]
        assert [each["num_running"] for each in told["servers"]] == [1, 1]
        metrics = httpx.get(f"{thread.url}/metrics").text
        assert 'edgebatch_server_requests_running{server="better"} 1.0' in metrics
        assert 0.0 < told["use"]["compute"] <= 1.0


def test_while_one_is_away_the_other_serves_whom_it_can() -> None:
    with Servers() as thread:
        thread.break_server(1)
        wait_for(lambda: not state(thread)["servers"][1]["is_running"])
        assert httpx.get(f"{thread.url}/readyz").status_code == 200
        for _ in range(3):
            answer = ask(thread.url, max_tokens=2)
            assert answer.json()["edgebatch"]["precision"] == "w8"
        refused = ask(thread.url, max_tokens=2, min_quality=0.95)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert "not running" in refused.json()["error"]["message"]

        thread.errors[1] = None
        wait_for(lambda: state(thread)["servers"][1]["is_running"])
        answer = ask(thread.url, max_tokens=2, min_quality=0.999)
        assert answer.json()["edgebatch"]["precision"] == "w16"
        assert [each["restarts"] for each in state(thread)["servers"]] == [0, 1]
        assert outcomes(thread)[("rejected", "engine")] == 1


def test_only_when_all_are_away_nobody_is_taken() -> None:
    with Servers() as thread:
        for position in range(2):
            thread.break_server(position)
        wait_for(lambda: httpx.get(f"{thread.url}/readyz").status_code == 503)
        assert ask(thread.url, max_tokens=2).status_code == 503
        thread.errors[0] = None
        wait_for(lambda: httpx.get(f"{thread.url}/readyz").status_code == 200)
        assert ask(thread.url, max_tokens=2).json()["edgebatch"]["precision"] == "w8"


def test_one_that_is_not_there_yet_is_looked_for() -> None:
    with Servers(EngineError("there is none")) as thread:
        assert [each["is_running"] for each in state(thread)["servers"]] == [False, True]
        assert ask(thread.url, max_tokens=2).json()["edgebatch"]["precision"] == "w16"
        thread.errors[0] = None
        wait_for(lambda: state(thread)["servers"][0]["is_running"])
        assert state(thread)["servers"][0]["restarts"] == 0


def test_the_start_waits_for_a_slow_one_only_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebatch.serving.fleet._PATIENCE_SECONDS", 0.1)
    may_start = asyncio.Event()

    class Slow(_Absent):
        async def start(self) -> EngineInfo:
            await may_start.wait()
            return await super().start()

    class OneSlow(Servers):
        def _make(self, position: int) -> Engine:
            if position == 1:
                return super()._make(position)
            slow = Slow(Scenario(BOTH))
            self.made[0].append(slow)
            return slow

    with OneSlow() as thread:
        assert ask(thread.url, max_tokens=2).json()["edgebatch"]["precision"] == "w16"
        assert [each["is_running"] for each in state(thread)["servers"]] == [False, True]
        thread.call(may_start.set)
        wait_for(lambda: state(thread)["servers"][0]["is_running"])
        assert httpx.get(f"{thread.url}/v1/models").json()["data"][0]["id"] == "simulated"


def test_when_to_retry_is_told_by_those_who_could_serve() -> None:
    with Servers(policy="rolling:batch_cap=1") as thread:
        body = {"prompt": "Once", "max_tokens": 400, "slo_e2e_ms": 60_000, "min_quality": 1.0}
        with httpx.stream(
            "POST", f"{thread.url}/v1/completions", json={**body, "stream": True}, timeout=30
        ) as answer:
            lines = answer.iter_lines()
            next(lines)
            late = ask(thread.url, **{**body, "max_tokens": 2, "slo_e2e_ms": 300})
            assert late.status_code == 429
            # the other server runs nobody, but is not good enough
            assert int(late.headers["retry-after"]) > 1


def test_no_key_can_lock_another_out_of_the_places_for_one_server() -> None:
    keys = [{"name": name, "sha256": hash_key(name)} for name in ("alice", "bob")]
    body = {"prompt": "Once", "max_tokens": 2000, "slo_e2e_ms": 1e6, "min_quality": 1.0}

    def status(name: str) -> int:
        headers = {"authorization": f"Bearer {name}"}
        try:
            answer = httpx.post(
                f"{thread.url}/v1/completions", json=body, headers=headers, timeout=0.5
            )
        except httpx.TimeoutException:
            return 0
        return answer.status_code

    alice = {"authorization": "Bearer alice"}
    given = {"policy": "rolling:batch_cap=1", "keys": keys, "limits": {"queue": 4}}
    with Servers(**given) as thread, asking(thread.url, [body] * 5, alice):
        wait_for(lambda: thread.gateway.dispatcher.num_waiting == 4)
        assert status("alice") == 429
        assert status("bob") == 0  # it waits
        assert thread.gateway.dispatcher.num_unfinished >= 5


class _Uncounting(_Absent):
    async def encode(self, prompt: Prompt) -> tuple[int, ...]:
        raise EngineError("there is no tokenizer to ask")


def test_prompts_are_counted_by_whoever_can_and_go_as_text_to_whoever_cannot() -> None:
    prompts: list[Prompt] = []

    class OneUncounting(Servers):
        def _make(self, position: int) -> Engine:
            if position == 0:
                return super()._make(position)
            engine = _Uncounting(Scenario(BOTH), self.errors[1])
            submit = engine.submit

            def noted(request: GenerationRequest) -> None:
                prompts.append(request.prompt)
                submit(request)

            engine.submit = noted  # type: ignore[method-assign]
            self.made[1].append(engine)
            return engine

    with OneUncounting() as thread:
        answer = ask(thread.url, max_tokens=2, min_quality=1.0)
        assert answer.json()["usage"]["prompt_tokens"] == 1  # four bytes, as the other counts
        assert [each.text for each in prompts] == ["Once"]
        thread.break_server(0)
        wait_for(lambda: not state(thread)["servers"][0]["is_running"])
        answer = ask(thread.url, max_tokens=2, min_quality=1.0)
        assert answer.json()["usage"]["prompt_tokens"] == 10  # at most: by threes, and eight more


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((EngineError("first"), EngineError("second")), "first"),
        # a mistake is not to be hidden by the other one
        ((None, InputError("model", "there is none")), "model: there is none"),
    ],
)
def test_a_gateway_does_not_start(errors: tuple[Exception | None, ...], expected: str) -> None:
    made: list[_Absent] = []

    def make(error: Exception | None) -> Callable[[], Engine]:
        def maker() -> Engine:
            made.append(_Absent(Scenario(BOTH), error))
            return made[-1]

        return maker

    gateway = Gateway(
        load_settings(None, {"log_level": "error"}),
        Scenario(SERVERS),
        parse_policy("rolling"),
        [make(each) for each in errors],
        ("good", "better"),
    )

    async def started() -> None:
        with pytest.raises((EngineError, InputError), match=f"^{expected}$"):
            await gateway.start()
        for engine in made:
            with pytest.raises(EngineError, match="not running"):
                await engine.report()

    asyncio.run(started())


def test_a_bug_at_one_server_ends_the_gateway() -> None:
    with Servers() as thread:
        thread.made[0][-1].is_mad = True
        wait_for(lambda: str(thread.gateway.state) == "stopped")
        assert ask(thread.url, max_tokens=2).status_code == 503
        assert thread.gateway.dispatcher.num_unfinished == 0
