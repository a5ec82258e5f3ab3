"""``edgebatch serve`` as a process: settings, signals, exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cli_process import edgebatch, refusal
from serving.fuzzing import gateway_process
from toy_profile import toy_profile

SIMULATED = ("--engine", "simulated", "--port", "0")


@contextmanager
def served(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "edgebatch", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


def test_the_first_signal_lets_commitments_finish_and_takes_nothing_new() -> None:
    with served(*SIMULATED) as (process, url):
        statuses: list[int] = []

        def ask() -> None:
            body = {"prompt": "Once", "max_tokens": 900}
            statuses.append(httpx.post(f"{url}/v1/completions", json=body, timeout=30).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        while "running 1.0" not in httpx.get(f"{url}/metrics").text:
            pass
        process.send_signal(signal.SIGTERM)
        while httpx.get(f"{url}/readyz").status_code == 200:
            pass
        late = httpx.post(f"{url}/v1/completions", json={"prompt": "a"}, timeout=30)
        assert late.status_code == 503
        asking.join()
        assert statuses == [200]
        assert process.wait(60) == 0


def test_the_second_signal_ends_at_once() -> None:
    patient = {"EDGEBATCH_LIMITS__MAX_TOKENS": "100000", "EDGEBATCH_DRAIN_SECONDS": "1000"}
    with served(*SIMULATED, **patient) as (process, url):
        body = {"prompt": "Once", "max_tokens": 100_000, "stream": True, "slo_e2e_ms": 3e6}
        with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=30) as stream:
            lines = stream.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            while httpx.get(f"{url}/readyz").status_code == 200:
                pass
            process.send_signal(signal.SIGTERM)
            # the answer would take more than 100 s
            assert process.wait(60) == 0


def test_settings_come_from_file_environment_and_flags(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        'engine = "simulated"\nport = 1\nupstream_key = "hidden"\n[limits]\nqueue = 5\n',
        encoding="utf-8",
    )
    environment = {**os.environ, "EDGEBATCH_PORT": "2", "EDGEBATCH_LIMITS__BODY_BYTES": "9"}
    shown = subprocess.run(
        [sys.executable, "-m", "edgebatch", "serve", "-c", config, "--host", "::1", "--check"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    settings = json.loads(shown.stdout)
    assert (settings["port"], settings["host"]) == (2, "::1")
    assert (settings["limits"]["queue"], settings["limits"]["body_bytes"]) == (5, 9)
    assert "hidden" not in shown.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 8000", "prot"),
        ("port = 70000", "port"),
        ("[limits]\nqueue = 0", "limits.queue"),
        ('[[keys]]\nname = "a"\nsha256 = "secret"', "keys[0].sha256"),
        ('policy = "roling"', "did you mean 'rolling'"),
        ('engine = "openvno"', "did you mean 'openvino'"),
        ('engine = "simulated:speed=2"', "speed"),
        ('engine = "openvino:speed=2"', "speed"),
        ('model = "nonesuch"', "nonesuch"),
        (
            'engine = "openai"\nservers = [{precision = "w8", url = "127.0.0.1:8001"}]',
            "servers[0].url: must be a URL",
        ),
        (
            'engine = "openai"\nservers = [{precision = "w8", url = "http://a:b"}]',
            "servers[0].url: must be a URL",
        ),
        (
            'engine = "openai"\nservers = [{precision = "w8", url = "http://a"}]',
            "profile: is needed with engine 'openai'",
        ),
        ('profile = "nowhere.toml"', "profile: nowhere.toml"),
    ],
)
@pytest.mark.parametrize("check", [(), ("--check",)], ids=["started", "checked"])
def test_wrong_settings_are_one_line(
    tmp_path: Path, text: str, told: str, check: tuple[str, ...]
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(text, encoding="utf-8")
    assert told in refusal("serve", "--config", config, *check)


def test_what_is_checked_alone_may_be_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, cache = tmp_path / "profile.toml", tmp_path / "cache"
    monkeypatch.setenv("EDGEBATCH_CACHE", str(cache))
    toy_profile().save(profile)
    upstream = ("--engine", "openai", "--url", "w8=http://127.0.0.1:9/v1")
    for asked in (
        (),  # it would be measured
        ("--engine", "simulated"),
        (*upstream, "--profile", profile, "--precision", "w8"),  # nobody is there
    ):
        checked = edgebatch("serve", "--check", *asked)
        assert (checked.returncode, checked.stderr) == (0, b"")
        assert json.loads(checked.stdout)["port"] == 8080
    assert not cache.exists()


def test_a_taken_port_is_one_line() -> None:
    with served(*SIMULATED) as (_, url):
        port = url.rpartition(":")[2]
        assert "in use" in refusal("serve", "--engine", "simulated", "--port", port)


def test_a_key_is_kept_as_its_hash() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "edgebatch", "serve", "--hash-key"],
        input="secret\n",
        capture_output=True,
        text=True,
        check=True,
    )
    # sha256("secret")
    assert ended.stdout.strip().startswith("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6")


def test_a_profile_of_another_engine_is_told_in_the_log_at_the_start(tmp_path: Path) -> None:
    pytest.importorskip("openvino_genai", reason="OpenVINO GenAI is not installed")
    profile, log = tmp_path / "profile.toml", tmp_path / "log.jsonl"
    toy_profile().save(profile)
    hosted = ("--engine", "openvino", "--precision", "w8", "--profile", str(profile))
    with gateway_process(log, *hosted) as url:
        assert httpx.get(f"{url}/readyz").status_code == 200
    told = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    [line] = [line for line in told if line["level"] == "warning"]
    assert line["event"] == "profile of something else"
    assert line["problem"].startswith("the profile was measured on toy-model in toy-engine, but ")
    assert "edgebatch-tiny in openvino runs" in line["problem"]
