"""``edgebatch models``, ``devices`` and ``precisions``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from edgebatch.cli.main import app
from edgebatch.presets import devices, models, precisions

KINDS = {"models": models, "devices": devices, "precisions": precisions}


def output(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(*arguments: str) -> Any:
    return json.loads(output(*arguments, "--json"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_has_every_name_and_fits_80_columns_of_plain_text(kind: str) -> None:
    text = output(kind)
    for name in KINDS[kind]():
        assert name.split()[0] in text
    for line in text.splitlines():
        assert len(line) <= 80
        assert line == line.rstrip()
    assert "\x1b" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_json_lists_all_in_the_order_of_the_presets_with_sources(kind: str) -> None:
    records = as_json(kind)
    assert [record["name"] for record in records] == list(KINDS[kind]())
    sources = [key for key in records[0] if key.endswith("source")]
    assert sources
    assert all(record[source] is not None for record in records for source in sources)


@pytest.mark.parametrize("kind", KINDS)
def test_one_name_gives_that_record_whatever_the_case(kind: str) -> None:
    for record in as_json(kind):
        assert as_json(kind, record["name"].upper()) == record


def test_a_model_is_shown_in_full_with_its_source() -> None:
    text = output("models", "BLOOM-3b")
    assert "3,002,557,440 (3.00 B)" in text
    # 2 bytes a parameter: 6.005 GB; 2·30·32·80·2 bytes a token: 307 200
    assert "6.01 GB" in text
    assert "307 kB per token" in text
    assert "TransformerLens" in text


def test_a_device_is_shown_with_its_peaks_and_what_is_not_known() -> None:
    text = output("devices", "Jetson TX2")
    assert "1.33 TFLOP/s" in text
    assert "59.7 GB/s" in text
    assert "8 / 4 GB" in text
    assert "not known: set an efficiency" in text


def test_what_bandwidth_others_achieved_on_a_device_is_shown() -> None:
    [record] = [one for one in as_json("devices") if one["name"] == "Jetson AGX Orin 64GB"]
    assert record["bandwidth_evidence"]
    text = output("devices", record["name"])
    for evidence in record["bandwidth_evidence"]:
        assert (
            f"{evidence['efficiency']:.0%} decoding {evidence['model']} in {evidence['precision']}"
            in " ".join(text.split())
        )


def test_json_is_in_si_units() -> None:
    tx2 = as_json("devices", "Jetson TX2")
    assert (tx2["vector_flops"], tx2["memory_bandwidth"]) == pytest.approx((1.33e12, 59.7e9))
    assert tx2["memory_sizes_bytes"] == [8e9, 4e9]


def test_the_quality_of_a_precision_is_that_on_the_model_asked_for() -> None:
    for model in ("OPT-13b", "BLOOM-3b"):
        record = as_json("precisions", "w4a16", "--model", model)
        assert record["quality"] == precisions()["w4a16"].quality(model).value
        assert record["quality_of_model"] == model
        assert f"{record['quality']:.4f} for {model}" in output(
            "precisions", "w4a16", "--model", model
        )
