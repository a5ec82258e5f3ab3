"""The page on the gateway's settings lists every one of them, and nothing else."""

from __future__ import annotations

from gateway_keys import PAGE, known_settings, page_settings


def test_every_setting_is_listed_with_what_it_must_be_and_its_default() -> None:
    page = PAGE.read_text(encoding="utf-8")
    # else: python tests/docs/gateway_keys.py
    assert sorted(page_settings(page)) == sorted(known_settings())
