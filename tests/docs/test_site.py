"""The documentation builds without a warning, and README's links and extras exist."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from console_sessions import REPOSITORY

import edgebatch
from edgebatch.scheduling import Reason

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="needs the extra 'docs' of the package"
)
def test_the_site_builds_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_links_of_the_readme_lead_to_files() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []


def test_extras_that_are_to_be_installed_exist() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    known = set(project["project"]["optional-dependencies"])
    documents = [README, *(page.read_text("utf-8") for page in (REPOSITORY / "docs").glob("*.md"))]
    asked = {
        extra
        for document in documents
        for extras in re.findall(r"pip install [^\n`]*?\[([\w,]+)\]", document)
        for extra in extras.split(",")
    }
    assert {"study", "dev", "docs", "solvers"} <= asked <= known


def test_the_reference_lists_every_public_name() -> None:
    page = (REPOSITORY / "docs" / "reference" / "index.md").read_text(encoding="utf-8")
    names = [
        name
        for row in re.findall(r"^\| .* \| (`.*) \|$", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(names) == sorted(edgebatch.__all__)


def test_every_reason_for_not_serving_is_explained() -> None:
    page = (REPOSITORY / "docs" / "simulation.md").read_text(encoding="utf-8")
    reasons = [reason.name.lower() for reason in Reason if reason is not Reason.NONE]
    assert [reason for reason in reasons if f"(`{reason}`)" not in page] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 200
