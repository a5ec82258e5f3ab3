"""Passes put together of operator tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebatch.calibration.operator_tables import OperatorTables
from edgebatch.errors import InputError
from operator_tables import MOST_TOKENS, attention_us, write_tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tables(tmp_path / "tables")


def test_a_pass_is_its_layers_and_what_comes_once(folder: Path) -> None:
    tables = OperatorTables.read(folder, layers=3)
    # a layer: 8 operators of 1 µs, the norm twice, and 0.5 µs a token: 8 + 5; attention 7
    # once: embedding and last norm 2, lm_head 20 + 2·2, sampler 1
    assert tables.pass_seconds(10, 2, 7e-6) == pytest.approx((3 * (13 + 7) + 27) * 1e-6)


def test_the_next_larger_number_of_tokens_counts(folder: Path) -> None:
    path = folder / "dense.csv"
    kept = [row for row in path.read_text().splitlines() if not row.startswith("qkv_proj,10,")]
    path.write_text("\n".join(kept) + "\n")
    tables = OperatorTables.read(folder, layers=1)
    assert tables.pass_seconds(10, 1, 0.0) == tables.pass_seconds(11, 1, 0.0)
    assert tables.pass_seconds(9, 1, 0.0) < tables.pass_seconds(10, 1, 0.0)


def test_prompts_of_which_a_part_is_cached_are_left_out(folder: Path) -> None:
    tables = OperatorTables.read(folder, layers=1)
    assert tables.attention[4, 0, 0] == pytest.approx(attention_us(4, 0, 0) * 1e-6)
    assert (tables.most_tokens, tables.most_sequences) == (MOST_TOKENS, 32)


def test_a_batch_is_one_prefill_and_its_decode_passes(folder: Path) -> None:
    tables = OperatorTables.read(folder, layers=3)
    # 2 prompts of 8 and 3 tokens each: contexts 9 and 10, between the measured 8 and 16
    reading = tables.pass_seconds(16, 2, 2 * attention_us(8, 0, 0) * 1e-6)
    decoding = [
        tables.pass_seconds(2, 2, attention_us(0, 2, context) * 1e-6) for context in (9, 10)
    ]
    assert tables.batch_seconds(2, 8, 3) == pytest.approx(reading + sum(decoding))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("dense.csv", ("tokens", "token"), "dense.csv: has no column 'tokens'"),
        ("dense.csv", ("o_proj", "x_proj"), "dense.csv: has no row of the operator 'o_proj'"),
        ("dense.csv", ("embedding,1,", "embedding,one,"), "line 2: tokens: must be a whole number"),
        ("attention.csv", (",16,0.8\n", ",16,-0.8\n"), "time_us: must be a finite number above 0"),
        (
            "attention.csv",
            (",16,0.8\n", ",16,fast\n"),
            "must be a finite number above 0, got 'fast",
        ),
        ("attention.csv", (",16,0.8\n", ",16\n"), "must be a finite number above 0, got None"),
        ("per_sequence.csv", ("1,22.0", "-1,22.0"), "line 2: sequences: must be a whole number"),
        pytest.param(
            "dense.csv",
            ("embedding,1,", f"embedding,{'9' * 5000},"),
            "line 2: tokens: must be a whole number from 0 to 999999999",
            id="digits",
        ),
        pytest.param(
            "dense.csv",
            ("embedding,1,", f"{'x' * 200_000},1,"),
            "dense.csv: is not CSV: field larger than field limit",
            id="field",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(
    folder: Path, name: str, change: tuple[str, str], said: str
) -> None:
    path = folder / name
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(InputError) as caught:
        OperatorTables.read(folder, layers=1)
    assert said in str(caught.value)


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"attention\.csv: cannot be read: No such file"):
        OperatorTables.read(tmp_path, layers=1)


def test_a_byte_order_mark_is_no_part_of_the_first_column(folder: Path) -> None:
    plain = OperatorTables.read(folder, layers=1)
    path = folder / "attention.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert OperatorTables.read(folder, layers=1) == plain
