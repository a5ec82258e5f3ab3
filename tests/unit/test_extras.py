"""Without the optional libraries everything else works, and their absence is one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXTRAS = (
    *("ortools", "highspy", "numba", "matplotlib", "pyarrow", "plotly", "jinja2", "scipy"),
    *("distributed", "openvino", "openvino_genai", "xllamacpp", "torch", "transformers"),
    *("aiohttp", "fastapi", "uvicorn", "pydantic_settings", "prometheus_client", "structlog"),
)

PROBLEM = """
batching = "ragged"
[node]
memory_bytes = 8e9
flops = 1e12
[model]
layers = 30
hidden_size = 2560
ffn_size = 10240
heads = 32
[[precisions]]
name = "w8a16"
weight_bytes = 1.0
kv_bytes = 2.0
prefill_factor = 1.0
decode_factor = 1.0
quality = 1.0
[[requests]]
id = "a"
prompt_tokens = 100
output_tokens = 20
deadline_seconds = 10.0
"""


def without_extras(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process in which importing an optional library fails."""
    blocked = f"import sys\nfor name in {EXTRAS!r}:\n    sys.modules[name] = None\n"
    return subprocess.run(
        [sys.executable, "-c", blocked + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=300,
    )


def command_without_extras(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return without_extras("from edgebatch.cli.main import main\nmain()", *arguments, folder=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "problem.toml").write_text(PROBLEM, encoding="utf-8")
    return tmp_path


def test_every_public_name_can_be_imported(folder: Path) -> None:
    code = "import edgebatch\nprint(all(getattr(edgebatch, name) for name in edgebatch.__all__))"
    result = without_extras(code, folder=folder)
    assert (result.stdout, result.stderr) == ("True\n", "")


def test_solving_and_simulating_work(folder: Path) -> None:
    solved = command_without_extras("solve", "problem.toml", folder=folder)
    assert solved.returncode == 0, solved.stderr
    assert '"selected": [\n    "a"\n  ]' in solved.stdout
    setting = "workload.duration_seconds=2"
    simulated = command_without_extras(
        "simulate", "-s", setting, "--requests", "out.csv", folder=folder
    )
    assert simulated.returncode == 0, simulated.stderr
    assert (folder / "out.csv").read_text(encoding="utf-8").startswith("number,outcome,")


def test_comparing_works_and_says_why_nothing_is_drawn(folder: Path) -> None:
    result = command_without_extras(
        *("compare", "-p", "dftsp", "--rate", "5", "-s", "workload.duration_seconds=2", "-j", "1"),
        folder=folder,
    )
    assert result.returncode == 0, result.stderr
    assert "dftsp" in result.stdout
    assert result.stderr.startswith("no plot: ")
    assert "edgebatch[study]" in result.stderr
    assert [entry.name for entry in folder.iterdir()] == ["problem.toml"]


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("solve", "problem.toml", "--solver", "cp-sat"), "solvers"),
        (("solve", "problem.toml", "--solver", "milp"), "solvers"),
        (("compare", "--plot", "plot.svg"), "study"),
        (("simulate", "--requests", "out.parquet"), "study"),
        (("solve", "problem.toml", "--solver", "exact"), "exact"),
        (("generate", "a"), "engine"),
        (("generate", "a", "-e", "llama-cpp"), "llama-cpp"),
        (("generate", "a", "-e", "openai", "--url", "http://127.0.0.1:9"), "serve"),
        (("calibrate",), "calibrate"),
        (("serve", "--engine", "simulated"), "serve"),
        (("serve", "--check"), "serve"),
        (("sweep", "--policy", "fcfs", "--output", "out"), "study"),
    ],
)
def test_what_needs_an_extra_says_in_one_line_what_to_install(
    folder: Path, arguments: tuple[str, ...], extra: str
) -> None:
    result = command_without_extras(*arguments, folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("edgebatch: error: ")
    assert result.stderr.endswith(f"needs an extra: pip install 'edgebatch[{extra}]'\n")
    assert [entry.name for entry in folder.iterdir()] == ["problem.toml"]
