"""The page on the command line says what the commands say of themselves."""

from __future__ import annotations

from command_reference import command_reference
from console_sessions import REPOSITORY


def test_the_page_is_up_to_date() -> None:
    page = REPOSITORY / "docs" / "command-line.md"
    assert page.read_text(encoding="utf-8") == command_reference()  # else: tests/docs/update.py
