"""What commands write: JSON, files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgebatch.cli.output import print_json, write_text_atomically
from edgebatch.errors import InputError


def test_json_keeps_the_order_of_keys_and_every_bit_of_a_float(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_json({"b": 0.1 + 0.2, "a": "β"})
    assert capsys.readouterr().out == '{\n  "b": 0.30000000000000004,\n  "a": "\\u03b2"\n}\n'


def test_json_has_no_numbers_that_are_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"a": float("nan")})
    assert capsys.readouterr().out == ""


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old", encoding="utf-8")
    write_text_atomically(path, "β\n")
    assert path.read_bytes() == "β\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    write_text_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"


def test_a_device_is_written_to_not_replaced() -> None:
    write_text_atomically(Path(os.devnull), "gone")
    assert not Path(os.devnull).is_file()


def test_a_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(path, "new\ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        write_text_atomically(tmp_path / "missing" / "out", "text")
