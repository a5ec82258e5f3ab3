"""How long answers are believed to be."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from edgebatch.engines import Engine, Finish, GenerationRequest, Report
from edgebatch.serving.lengths import LengthPredictor
from edgebatch.serving.settings import Lengths
from serving.gateway_thread import FragileEngine, GatewayThread


@pytest.mark.parametrize(("length", "predicted"), [(0, 1), (7, 7), (40, 40)])
def test_what_is_reckoned_with_is_a_token_at_least(length: int, predicted: int) -> None:
    lengths = LengthPredictor(Lengths(quantile=0.5, min_samples=50))
    for _ in range(50):
        assert lengths.predict(0, 40) == 40
        lengths.observe(0, 40, length)
    assert lengths.predict(0, 40) == predicted


def test_answers_that_were_cut_off_say_nothing_of_how_long_they_would_be() -> None:
    lengths = LengthPredictor(Lengths(quantile=0.95, min_samples=50))
    for number in range(1000):  # of one power of two, and all go on to their limit
        limit = 250 if number % 25 == 0 else 130
        lengths.observe(0, limit, limit)
    assert lengths.predict(0, 250) == 250
    assert lengths.predict(0, 130) == 130


def test_answers_that_ended_by_themselves_count_for_all_limits_of_their_class() -> None:
    lengths = LengthPredictor(Lengths(quantile=0.5, min_samples=50))
    for limit, length, times in ((130, 40, 30), (250, 140, 30), (130, 130, 40)):
        for _ in range(times):
            lengths.observe(0, limit, length)
    # 40 for 30 of 100, 140 or more for 30, who knows for 40
    assert lengths.predict(0, 250) == 140
    assert lengths.predict(0, 130) == 130
    assert lengths.predict(0, 100) == 100  # nothing is known of limits below 128
    assert lengths.predict(1, 250) == 250


class _Terse(FragileEngine):
    """Ends answers after one token, unless the end is to be ignored."""

    def submit(self, request: GenerationRequest) -> None:
        if not request.sampling.ignore_end:
            request = replace(request, max_tokens=1)
        super().submit(request)

    async def report(self) -> Report:
        report = await super().report()
        return report._replace(
            progress=tuple(
                each if each.finish is None else each._replace(finish=Finish.STOP)
                for each in report.progress
            )
        )


class _TerseGateway(GatewayThread):
    def _make_engine(self) -> Engine:
        self.engines.append(_Terse(self.scenario))
        return self.engines[-1]


def test_who_ignores_the_end_is_reckoned_with_the_limit_and_teaches_nothing() -> None:
    ends, ignores = ({"prompt": "Once", "max_tokens": 7, "ignore_eos": each} for each in (0, 1))
    reckoned: list[tuple[int, int]] = []
    with (
        _TerseGateway(lengths={"quantile": 0.9, "min_samples": 50}) as thread,
        httpx.Client(base_url=thread.url, timeout=60) as client,
    ):
        thread.gateway.on_end.append(
            lambda ticket, _: reckoned.append((ticket.arrival.output_tokens, ticket.num_tokens))
        )
        for asked in [ends] * 45 + [ignores] * 10 + [ends] * 5 + [ignores, ends]:
            assert client.post("/v1/completions", json=asked).status_code == 200
    # 50 answers of one token were learnt from, as if there had been no others
    assert reckoned[:-2] == [(7, 1)] * 45 + [(7, 7)] * 10 + [(7, 1)] * 5
    assert reckoned[-2:] == [(7, 7), (1, 1)]
