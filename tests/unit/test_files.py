"""Files are written whole or not at all, whoever writes them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebatch.errors import InputError
from edgebatch.files import from_home, replacing, require_place, write_text
from edgebatch.workload.files import replacing_file


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old", encoding="utf-8")
    write_text(path, "β\n")
    assert path.read_bytes() == "β\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"


def test_a_device_is_written_to_not_replaced() -> None:
    write_text(Path(os.devnull), "gone")
    assert not Path(os.devnull).is_file()


def test_a_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new\ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        write_text(tmp_path / "missing" / "out", "text")


def half_of_it() -> Iterator[bytes]:
    yield b"half of it"
    raise ZeroDivisionError


def test_what_was_written_before_an_error_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.writelines(half_of_it())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="/dev/full: cannot be written: No space left on device"):
        write_text(Path("/dev/full"), "text")


@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz"])
def test_texts_of_traces_follow_links_too(tmp_path: Path, name: str) -> None:
    target, link = tmp_path / "target", tmp_path / name
    target.write_bytes(b"old")
    link.symlink_to(target)
    with replacing_file(link) as text:
        text.write("new")
    assert link.is_symlink()
    content = target.read_bytes()
    assert (gzip.decompress(content) if name.endswith(".gz") else content) == b"new"


def test_a_place_for_a_file_is_a_folder_that_exists(tmp_path: Path) -> None:
    require_place("--results", tmp_path / "new")
    with pytest.raises(InputError, match="--results: there is no folder"):
        require_place("--results", tmp_path / "missing" / "new")
    with pytest.raises(InputError, match=r"--results: must be a file, but .* is a folder"):
        require_place("--results", tmp_path)


def test_a_link_to_itself_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "loop"
    path.symlink_to(path)
    with pytest.raises(InputError, match="loop: is a link that leads back to itself"):
        write_text(path, "text")
    with pytest.raises(InputError, match="loop: is a link that leads back to itself"):
        require_place("--results", path)


def test_a_tilde_is_the_home_folder_of_whoever_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert from_home("~/models") == Path("/home/someone/models")
    assert from_home("~no-such-user/models") == Path("~no-such-user/models")
