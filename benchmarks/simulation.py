"""How many requests per wall-clock second the simulator replays, as whole processes.

Each run is a fresh ``edgebatch simulate`` that draws requests, decides, simulates and prints its
summary; start-up counts. The median of several runs is shown with the fastest and the slowest.
See README.md for the protocol.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

AZURE_TRACE = (
    Path(__file__).resolve().parents[2]
    / "shared/data/traces/azure_llm_2023/AzureLLMInferenceTrace_conv.csv"
)
SCENARIO = "orin-chat"
POLICIES = ("continuous", "fcfs", "dftsp")
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    in_time: int


@dataclass(frozen=True)
class Measurement:
    policy: str
    num_requests: int
    rate_per_second: float
    median_seconds: float
    fastest_seconds: float
    slowest_seconds: float
    cpu_seconds: float
    requests_per_second: float
    peak_rss_bytes: int
    in_time: int


def measure(
    policy: str, num_requests: int, rate_per_second: float, lengths: Path | None, num_runs: int
) -> Measurement:
    settings = [
        f"workload.num_requests={num_requests}",
        f"workload.rate_per_second={rate_per_second}",
    ]
    if lengths is not None:
        settings += ["workload.prompt_tokens=", "workload.output_tokens="]
        settings.append(f"workload.lengths={lengths}")
    command = [sys.executable, "-m", "edgebatch", "simulate", SCENARIO, "--json", "-p", policy]
    for setting in settings:
        command += ["-s", setting]
    runs = [run_once(command) for _ in range(num_runs)]
    seconds = [run.wall_seconds for run in runs]
    median = statistics.median(seconds)
    return Measurement(
        policy=policy,
        num_requests=num_requests,
        rate_per_second=rate_per_second,
        median_seconds=median,
        fastest_seconds=min(seconds),
        slowest_seconds=max(seconds),
        requests_per_second=num_requests / median,
        cpu_seconds=statistics.median(run.cpu_seconds for run in runs),
        peak_rss_bytes=max(run.peak_rss_bytes for run in runs),
        in_time=runs[0].in_time,
    )


def run_once(command: list[str]) -> Run:
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed with status {process.returncode}: {' '.join(command)}")
    return Run(
        wall_seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_rss_bytes=usage.ru_maxrss * RSS_UNIT_BYTES,
        in_time=json.loads(output)["in_time"],
    )


def row(measurement: Measurement) -> str:
    cells = (
        measurement.policy,
        f"{measurement.num_requests:,}",
        f"{measurement.rate_per_second:g}",
        f"{measurement.median_seconds:.2f}",
        f"{measurement.fastest_seconds:.2f}–{measurement.slowest_seconds:.2f}",
        f"{measurement.cpu_seconds:.2f}",
        f"{measurement.requests_per_second:,.0f}",
        f"{measurement.peak_rss_bytes / 1e6:.0f}",
        f"{100 * measurement.in_time / measurement.num_requests:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="processes for each row")
    parser.add_argument("--requests", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.25, 1.0], help="arrivals/s")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--results", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()

    lengths = AZURE_TRACE if AZURE_TRACE.exists() else None
    print(f"lengths: {'Azure conversation trace' if lengths else 'lognormals of ' + SCENARIO}")
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(
        "| policy | requests | arrivals/s | median s | range s | CPU s | requests/s "
        "| peak MB | in time % |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    measurements = []
    for num_requests in arguments.requests:
        for rate in arguments.rates:
            for policy in arguments.policies:
                measured = measure(policy, num_requests, rate, lengths, arguments.runs)
                print(row(measured), flush=True)
                measurements.append(asdict(measured))
    if arguments.results is not None:
        arguments.results.write_text(json.dumps(measurements, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
