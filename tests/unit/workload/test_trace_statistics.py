"""Statistics of traces against numbers by hand, NumPy, and the published ones of a real trace."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.errors import InputError
from edgebatch.workload import TraceRow, open_trace, trace_statistics

REPOSITORY = Path(__file__).parents[3]
AZURE = REPOSITORY.parent.joinpath(
    "shared", "data", "traces", "azure_llm_2023", "AzureLLMInferenceTrace_conv.csv"
)


def rows_at(*seconds: float) -> list[TraceRow]:
    return [TraceRow(time, 1, 1) for time in seconds]


def test_rate_and_cv_by_hand() -> None:
    statistics = trace_statistics(rows_at(1.0, 2.0, 5.0))
    assert statistics.requests == 3
    assert statistics.span_seconds == 4.0
    # gaps 1 and 3: mean 2, standard deviation √2
    assert statistics.mean_rate_per_second == 0.5
    assert statistics.interarrival_cv == pytest.approx(math.sqrt(2.0) / 2.0)


def test_fano_factor_by_hand() -> None:
    # whole windows hold 3, 0 and 1 arrivals (mean 4/3, variance 7/3); the fourth has not ended
    statistics = trace_statistics(rows_at(10.0, 11.0, 69.0, 131.0, 190.0))
    assert statistics.fano_factor == pytest.approx((7.0 / 3.0) / (4.0 / 3.0))


def test_what_cannot_be_told_is_none() -> None:
    at_once = trace_statistics(rows_at(1.0, 1.0, 1.0))
    assert at_once.mean_rate_per_second is None
    assert at_once.interarrival_cv is None
    assert at_once.fano_factor is None
    assert trace_statistics(rows_at(1.0, 2.0)).interarrival_cv is None
    with pytest.raises(InputError, match="rows: must be at least one"):
        trace_statistics([])


def test_equal_gaps_have_no_variation_far_from_the_origin() -> None:
    statistics = trace_statistics(rows_at(*(1e8 + 0.5 * n for n in range(20_000))))
    assert statistics.interarrival_cv == 0.0
    assert statistics.fano_factor == 0.0


@given(
    times=st.lists(st.floats(0.0, 1000.0), min_size=3, max_size=50).map(sorted),
    lengths=st.lists(st.integers(1, 9), min_size=50, max_size=50),
)
def test_statistics_agree_with_numpy(times: list[float], lengths: list[int]) -> None:
    rows = [TraceRow(time, n, 2 * n) for time, n in zip(times, lengths, strict=False)]
    statistics = trace_statistics(rows)
    tokens = np.array(lengths[: len(times)])
    for percent in (50, 95, 99):
        expected = int(np.percentile(tokens, percent, method="inverted_cdf"))
        assert getattr(statistics.prompt_tokens, f"p{percent}") == expected
        assert getattr(statistics.output_tokens, f"p{percent}") == 2 * expected
    assert statistics.prompt_tokens.mean == pytest.approx(float(tokens.mean()))
    assert (statistics.prompt_tokens.minimum, statistics.prompt_tokens.maximum) == (
        tokens.min(),
        tokens.max(),
    )
    gaps = np.diff(times)
    if gaps.mean() > 1e-9:
        cv = float(gaps.std(ddof=1) / gaps.mean())
        assert statistics.interarrival_cv == pytest.approx(cv, rel=1e-9, abs=1e-9)


def test_chunks_do_not_show() -> None:
    generator = np.random.default_rng(1)
    times = np.cumsum(generator.standard_gamma(0.3, 30_000)).tolist()
    statistics = trace_statistics(rows_at(*times))
    gaps = np.diff(times)
    assert statistics.interarrival_cv == pytest.approx(gaps.std(ddof=1) / gaps.mean(), rel=1e-12)
    last = int((times[-1] - times[0]) // 60.0)
    counts = np.bincount(((np.array(times) - times[0]) // 60.0).astype(int))[:last]
    assert statistics.fano_factor == pytest.approx(counts.var(ddof=1) / counts.mean(), rel=1e-12)


def test_statistics_are_plain_data() -> None:
    data = trace_statistics(rows_at(0.0, 1.0)).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["output_tokens"]["p99"] == 1


def test_a_file_in_the_azure_format_has_statistics(tmp_path: Path) -> None:
    file = tmp_path / "azure.csv"
    file.write_bytes(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
        b"2023-11-16 18:15:46.6805900,374,44\r\n"
        b"2023-11-16 18:15:50.6805900,396,109\r\n"
        b"2023-11-16 18:16:46.6805900,879,55"
    )
    statistics = trace_statistics(open_trace(file))
    # 4 s and 56 s: mean 30, standard deviation 26 · √2
    assert statistics.span_seconds == pytest.approx(60.0)
    assert statistics.interarrival_cv == pytest.approx(26.0 * math.sqrt(2.0) / 30.0)
    assert statistics.prompt_tokens.p50 == 396


@pytest.mark.skipif(not AZURE.exists(), reason="the Azure trace does not lie beside the repository")
def test_the_azure_trace_has_its_published_statistics() -> None:
    statistics = trace_statistics(open_trace(AZURE))
    assert statistics.requests == 19_366
    assert round(statistics.span_seconds) == 3502
    assert statistics.mean_rate_per_second == pytest.approx(5.53, abs=0.005)
    assert statistics.interarrival_cv == pytest.approx(1.09, abs=0.005)
    assert statistics.fano_factor == pytest.approx(16.0, abs=0.5)
    prompt, output = statistics.prompt_tokens, statistics.output_tokens
    assert (prompt.p50, prompt.p95, prompt.p99) == (1020, 4083, 4142)
    assert (output.p50, output.p95, output.p99) == (129, 451, 601)
