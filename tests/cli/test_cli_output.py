"""What commands print: JSON."""

from __future__ import annotations

import pytest

from edgebatch.cli.output import print_json


def test_json_keeps_the_order_of_keys_and_every_bit_of_a_float(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_json({"b": 0.1 + 0.2, "a": "β"})
    assert capsys.readouterr().out == '{\n  "b": 0.30000000000000004,\n  "a": "\\u03b2"\n}\n'


def test_json_has_no_numbers_that_are_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"a": float("nan")})
    assert capsys.readouterr().out == ""
