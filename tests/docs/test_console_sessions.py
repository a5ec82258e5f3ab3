"""Every command that README and documentation show runs, and shows what they say it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_sessions import (
    REPOSITORY,
    Session,
    documents,
    matches,
    prepare,
    runnable,
    running,
    sessions,
)

WITH_SESSIONS = [
    document for document in documents() if sessions(document.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(
    "document", WITH_SESSIONS, ids=lambda path: str(path.relative_to(REPOSITORY))
)
def test_sessions_show_what_the_document_says(document: Path, tmp_path: Path) -> None:
    text = document.read_text(encoding="utf-8")
    prepare(tmp_path, text)
    for session in runnable(text):
        with running(session, tmp_path, text) as run_there:
            for exchange in session.exchanges:
                output, status = run_there(exchange.command)
                assert status == exchange.expected_status, (exchange.command, output)
                if not matches(exchange.shown, output):
                    # as an assertion of equality pytest shows the difference
                    assert output == exchange.shown, exchange.command


def test_sessions_that_need_a_trace_are_only_left_out_where_it_is_missing() -> None:
    missing = {
        session.needs
        for document in WITH_SESSIONS
        for session in sessions(document.read_text(encoding="utf-8"))
        if session.missing()
    }
    if missing:
        pytest.skip(f"sessions left out for want of {', '.join(sorted(map(str, missing)))}")


def test_a_session_is_read_as_its_commands_and_what_they_show() -> None:
    text = "```console\n$ one\nfirst\n\n$ two\n$ three\nedgebatch: error: no\n```\n"
    (session,) = sessions(text)
    assert isinstance(session, Session)
    assert [(each.command, each.shown) for each in session.exchanges] == [
        ("one", "first\n\n"),
        ("two", ""),
        ("three", "edgebatch: error: no\n"),
    ]
    assert [each.expected_status for each in session.exchanges] == [0, 0, 2]
    assert text[session.start : session.end].startswith("$ one")


def test_an_ellipsis_stands_for_any_text_and_nothing_else_does() -> None:
    assert matches("a ... d\n", "a b\nc d\n")
    assert not matches("a ... d\n", "a b\nc e\n")
    assert not matches("a.c\n", "abc\n")
    assert not matches("a\n", "a\nb\n")
