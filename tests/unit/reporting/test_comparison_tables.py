"""Comparisons as tables: 80 columns, whatever is compared."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from rich.table import Table

from edgebatch.comparison import Comparison, Run, compare
from edgebatch.reporting.comparison_tables import detail_table, load_tables, tuning_table
from edgebatch.scenario import parse_policy
from toy_scenario import toy

LONG = (
    "dftsp",
    "continuous-edf:batch_cap=16,expire=true,precision=w16",
    "static:batch_cap=128,longest_batch_seconds=3.1234567890123457",
)


def rendered(table: Table) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def compared(*rates: float) -> Comparison:
    return compare(toy(), [parse_policy(text) for text in LONG], rates_per_second=rates)


def test_many_loads_and_long_labels_fit_80_columns_with_nothing_cut() -> None:
    rates = [0.125 * step for step in range(1, 13)]
    tables = [rendered(table) for table in load_tables(compared(*rates))]
    assert [sum("/s" in word for word in table[0].split()) for table in tables] == [5, 5, 2]
    for table in tables:
        assert max(map(len, table)) <= 80
        assert "…" not in "".join(table)
        squeezed = "".join("".join(line.split()[:1]) for line in table)
        for label in LONG:
            assert label in squeezed
    captions = ["per cent of all requests" in "\n".join(table) for table in tables]
    assert captions == [False, False, True]


def test_details_break_labels_only_where_they_read_well() -> None:
    lines = rendered(detail_table(compared(0.5), 0.5))
    assert max(map(len, lines)) <= 80
    first_words = [line.split()[0] for line in lines if line]
    for part in ("continuous-", "edf:", "batch_cap=", "16,", "expire=", "true,", "longest_"):
        assert part in first_words


def test_best_knobs_are_shown_for_each_load() -> None:
    lines = rendered(tuning_table(compared(0.5, 1.0)))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for rate in ("0.5/s", "1/s"):
        assert re.search(rf"dftsp +{rate} +–\n", text)
        assert re.search(rf" {rate} +batch_cap=16, expire=true, precision=w16\n", text)
        assert re.search(rf" {rate} +batch_cap=128,", text)


def run(policy: str, **summary: object) -> Run:
    return Run(policy, policy, 2.0, 0.5, 1, dict(summary))


def test_shares_and_rates_are_means_over_seeds() -> None:
    runs = (
        run("dftsp", attainment=0.5, throughput_per_second=1.0),
        run("dftsp", attainment=0.6, throughput_per_second=1.3),
    )
    [table] = load_tables(Comparison({}, 4.0, runs))
    text = "\n".join(rendered(table))
    assert "0.5×" in text
    # (0.5 + 0.6) / 2 and (1.0 + 1.3) / 2
    assert "55.0%" in text
    assert "1.15/s" in text
    assert "1× is 4 requests/s" in " ".join(text.split())


@pytest.mark.parametrize("setting", ["workload.deadline_seconds=0.5", "workload.min_quality=1"])
def test_a_comparison_in_which_nobody_is_served_has_tables_too(setting: str) -> None:
    custom = "precisions.custom=[{name='a', weight_bytes=1.0, kv_bytes=1.0, prefill_factor=1.0, "
    scenario = toy(custom + "decode_factor=1.0, quality=0.5}]", setting)
    comparison = compare(scenario, [parse_policy("dftsp")], rates_per_second=[1.0])
    text = "\n".join(rendered(detail_table(comparison, 1.0)))
    assert "100.0" in text  # rejected
    assert "–" in text  # no latency
