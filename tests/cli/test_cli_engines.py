"""``edgebatch engines``."""

from __future__ import annotations

import json

from cli_process import edgebatch, refusal
from edgebatch.engines.registry import engine_names


def test_all_engines_are_listed_with_what_they_need() -> None:
    shown = json.loads(edgebatch("engines", "--json").stdout)
    assert [each["name"] for each in shown] == engine_names()
    by_name = {each["name"]: each for each in shown}
    assert by_name["simulated"]["installed"] is True
    assert by_name["openvino"]["extra"] == "engine"
    assert by_name["llama-cpp"]["settings"]["slots"] == 8
    table = edgebatch("engines").stdout.decode()
    assert max(map(len, table.splitlines())) <= 80


def test_one_engine_is_shown_with_its_settings() -> None:
    assert "time_factor" in edgebatch("engines", "simulated").stdout.decode()
    assert "did you mean 'openvino'?" in refusal("engines", "openvno")
