"""What documents and scripts of the repository say of each other."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import edgebatch

REPOSITORY = Path(__file__).parents[2]


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_the_readme_has_one_line_that_sets_up_and_runs_the_tests() -> None:
    lines = [
        line for line in text_of("README.md").splitlines() if "pip install -e '.[dev]'" in line
    ]
    assert len(lines) == 1
    # .ci/run puts its own interpreter in place of the first word and its own folder for .venv
    assert re.fullmatch(
        r"python3(\.11)? -m venv \.venv && \.venv/bin/pip install -e '\.\[dev\]' "
        r"&& \.venv/bin/pytest -n auto",
        lines[0],
    )


def test_ci_takes_that_line_from_the_readme_and_runs_every_check() -> None:
    script = text_of(".ci/run")
    assert "--fixed-strings \"pip install -e '.[dev]'\" README.md" in script
    for check in ('ruff" check', 'ruff" format --check', 'mypy"', 'lint-imports"'):
        assert check in script
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", REPOSITORY / ".ci" / "run"], check=True)


def test_tools_of_hooks_and_recipes_come_with_the_extra_for_developers() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    installed = {re.split(r"[>=<\[]", each)[0] for each in project["optional-dependencies"]["dev"]}
    assert {"ruff", "mypy", "import-linter", "pre-commit", "pytest", "pytest-xdist"} <= installed
    entries = re.findall(r"entry: (\S+)", text_of(".pre-commit-config.yaml"))
    assert set(entries) == {"ruff", "mypy", "lint-imports"}


def test_every_layer_is_explained_to_contributors() -> None:
    contract = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    layers = [layer.split(" | ") for layer in contract["layers"] if layer != "__main__"]
    rows = re.findall(r"^\| (`.*?) \|", text_of("CONTRIBUTING.md"), re.MULTILINE)
    assert [sorted(re.findall(r"`(\w+)`", row)) for row in rows] == [sorted(row) for row in layers]


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    [version] = re.findall(r"^## \[(.*?)\]", text_of("CHANGELOG.md"), re.MULTILINE)[:1]
    assert version == edgebatch.__version__


def test_files_named_to_contributors_exist() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text_of("CONTRIBUTING.md"))
    assert targets
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []
