"""The command as a process: help, version, usage errors, pipes and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli_process import edgebatch, refusal
from edgebatch import __version__

COMMANDS = ("solve", "models", "devices", "precisions", "trace")


def test_version_is_that_of_the_package() -> None:
    result = edgebatch("--version")
    assert (result.returncode, result.stdout.decode()) == (0, f"edgebatch {__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_help_lists_every_command(arguments: tuple[str, ...]) -> None:
    result = edgebatch(*arguments)
    assert result.returncode == 0
    text = result.stdout.decode()
    for command in COMMANDS:
        assert f" {command} " in text
    assert "--install-completion" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples_and_fits_80_columns_of_plain_text(command: str) -> None:
    result = edgebatch(command, "--help")
    assert result.returncode == 0
    text = result.stdout.decode()
    assert f"Examples:\n\n edgebatch {command}" in "\n".join(
        line.rstrip() for line in text.splitlines()
    )
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text


def test_help_of_run_names_the_scenario_that_it_takes_unless_told_otherwise() -> None:
    text = edgebatch("run", "--help").stdout.decode()
    assert "tiny-chat" in text
    assert "edge-cell" not in text


def test_help_does_not_load_what_only_commands_need() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from edgebatch.cli.main import app;"
        "CliRunner().invoke(app, ['--help']);"
        "print(sorted({'numpy', 'pydantic', 'ortools', 'highspy', 'joblib'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout == b"[]\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("slove",), "No such command 'slove'. Did you mean 'solve'"),
        (("--versoin",), "--version"),
        (("solve",), "FILE"),
        (("models", "--jsn"), "--json"),
        (("models", "BLOOM-3"), "model: unknown name 'BLOOM-3'; did you mean 'BLOOM-3b'?"),
        (("devices", "Jetson TX3"), "did you mean 'Jetson TX2'?"),
        (("precisions", "w8a61"), "did you mean 'w8a16'?"),
        (("precisions", "--model", "OPT-31b"), "--model: unknown name 'OPT-31b'"),
    ],
)
def test_a_slip_of_the_hand_is_refused_with_the_nearest_name(
    arguments: tuple[str, ...], said: str
) -> None:
    assert said in refusal(*arguments)


def test_a_reader_that_goes_away_is_no_reason_to_complain() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "edgebatch", "models", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, stderr = process.communicate(timeout=300)
    assert (process.returncode, stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "edgebatch", "models"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=300,
        )
    assert result.returncode == 2
    assert result.stderr.decode().splitlines() == [
        "edgebatch: error: [Errno 28] No space left on device"
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_interrupt_ends_quietly_with_status_130(tmp_path: Path) -> None:
    pipe = tmp_path / "problem"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "edgebatch", "solve", str(pipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with pipe.open("wb"):  # waits until the command reads
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=300)
    assert (process.returncode, stdout, stderr) == (130, b"", b"")


def test_output_that_cannot_say_a_character_says_its_number(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "edgebatch", "models"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=True,
        timeout=300,
    )
    assert b"BLOOM-3b" in result.stdout
    assert result.stdout.isascii()
