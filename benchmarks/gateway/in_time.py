"""How many are served in time: straight to the engine, and through the gateway.

    python benchmarks/gateway/in_time.py --engine llama-cpp --model llama-36m --precision q8_0
        --profile profile.toml --results in-time/llama-cpp

Real HTTP clients send the same requests at the same instants to two systems: the engine as it
serves by itself, first come first served, and ``edgebatch serve``. First the engine alone is
measured: how many requests a second it completes, which is 1×, and which number at once serves most
in time there. Each cell is a line of ``cells.csv``, each of its requests one in ``requests/``. What
has been measured is not measured again.
"""

from __future__ import annotations

import argparse
import csv
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from figures import FIELDS, FIRST_COME, ROLLING, Row, figures, in_time_share, table
from load import read_told, write_plan
from plans import (
    ARRIVALS,
    measured_characters_per_token,
    plan_requests,
    scenario_document,
    unhurried,
)
from streams import Asked, Told
from systems import System, gateway, llama_server, load, output_of, run

from edgebatch.engines.registry import parse_engine

CAPS = {"llama-cpp": [1, 2, 4, 8, 16], "openvino": [4, 8, 16, 32], "simulated": [4, 8, 16, 32]}
_WARM_CLIENTS, _WARM_SECONDS = 8, 5.0
_PROBE_SECONDS = 20.0


class Measurement:
    """All cells of one engine.

    Args:
        given: the command line.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self._given, self._folder = given, given.results
        self._engine = parse_engine(given.engine)[0]
        self._caps = given.caps or CAPS[self._engine]
        (self._folder / "requests").mkdir(parents=True, exist_ok=True)
        self._known_path = self._folder / "engine-alone.json"
        self._known: dict[str, Any] = {"completed_per_second": {}, "in_time_at_1x": {}}
        if self._known_path.exists():
            self._known = json.loads(self._known_path.read_text("utf-8"))
        self._cells_path = self._folder / "cells.csv"
        self.rows: list[Row] = []
        if self._cells_path.exists():
            with self._cells_path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))

    async def carry_out(self) -> None:
        """Measure whatever has not been measured."""
        await self._measure_engine_alone()
        rate = max(self._known["completed_per_second"].values())
        shares = self._known["in_time_at_1x"]
        cap = max(shares, key=lambda each: shares[each])
        print(f"1× is {rate:.3g} requests/s; the engine alone runs {cap} at once", flush=True)
        for arrivals in self._given.arrivals:
            for load_factor in self._given.loads:
                for system in (FIRST_COME, ROLLING):
                    place = (arrivals, f"{load_factor:g}", system)
                    if any(
                        (row["arrivals"], row["load"], row["system"]) == place for row in self.rows
                    ):
                        continue
                    row = await self._cell(place, load_factor * rate, int(cap))
                    self._append(row)
                    print(", ".join(f"{name} {row[name]}" for name in FIELDS), flush=True)

    async def _measure_engine_alone(self) -> None:
        completed, in_time = self._known["completed_per_second"], self._known["in_time_at_1x"]
        for cap in (cap for cap in self._caps if str(cap) not in completed):
            async with self._first_come(cap) as system:
                per_token = await measured_characters_per_token(system)
                self._known.setdefault("characters_per_token", per_token)
                told, _ = await self._closed(system, 2 * cap, _PROBE_SECONDS)
            whole = [each for each in told if each.end == "whole"]
            num_done = sum(each.last_seconds <= _PROBE_SECONDS for each in whole)
            self._note(completed, cap, num_done / _PROBE_SECONDS)
        rate, seconds = max(completed.values()), 60.0 * self._given.probe_minutes
        for cap in (cap for cap in self._caps if str(cap) not in in_time):
            plan = self._plan("poisson", rate, seconds, self._given.seed + 1)
            async with self._first_come(cap) as system:
                await self._closed(system, _WARM_CLIENTS, _WARM_SECONDS)
                told, _ = await self._ask(system, plan, self._folder / "probe.csv")
            self._note(in_time, cap, in_time_share(figures(told)))

    def _note(self, known: dict[str, float], cap: int, value: float) -> None:
        known[str(cap)] = value
        self._known_path.write_text(json.dumps(self._known, indent=2) + "\n", "utf-8")
        print(f"first come, {cap} at once: {value:.4g}", flush=True)

    async def _cell(self, place: tuple[str, str, str], rate: float, cap: int) -> Row:
        arrivals, load_text, name = place
        seconds = 60.0 * self._given.minutes
        plan = self._plan(arrivals, rate, seconds, self._given.seed)
        results = self._folder / "requests" / f"{arrivals}-{load_text}-{name.replace(' ', '-')}.csv"
        serving = self._first_come(cap) if name == FIRST_COME else self._rolling()
        async with serving as system:
            await self._closed(system, _WARM_CLIENTS, _WARM_SECONDS)
            before = system.cpu_seconds()
            told, spent = await self._ask(system, plan, results)
            after = system.cpu_seconds()
        wall = spent["wall_seconds"]
        policy = f"{cap} at once" if name == FIRST_COME else self._policy()
        return {
            **dict(zip(("arrivals", "load", "system"), place, strict=True)),
            "policy": policy,
            "rate_per_second": f"{rate:.4g}",
            **figures(told),
            "load_cpu": f"{spent['cpu_seconds'] / wall:.4f}",
            "gateway_cpu": f"{(after[0] - before[0]) / wall:.4f}",
            "engine_cpu": f"{(after[1] - before[1]) / wall:.4f}",
        }

    def _append(self, row: Row) -> None:
        is_new = not self._cells_path.exists()
        with self._cells_path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append(row)

    def _first_come(self, cap: int) -> AbstractAsyncContextManager[System]:
        given = self._given
        if self._engine == "llama-cpp":
            return llama_server(given.model, given.precision, cap, given.context_tokens)
        queue = {"EDGEBATCH_LIMITS__QUEUE": "1000000"}
        return self._gateway(f"continuous:batch_cap={cap}", given.engine, queue)

    def _rolling(self) -> AbstractAsyncContextManager[System]:
        engine = self._given.engine
        if self._engine == "llama-cpp":
            slots, context = max(self._caps), self._given.context_tokens
            engine = (
                f"{engine}{',' if ':' in engine else ':'}slots={slots},context_tokens={context}"
            )
        return self._gateway(self._policy(), engine, {})

    def _policy(self) -> str:
        if self._given.policy or self._engine != "llama-cpp":
            return self._given.policy or "rolling"
        return f"rolling:batch_cap={max(self._caps)}"

    def _gateway(
        self, policy: str, engine: str, environment: dict[str, str]
    ) -> AbstractAsyncContextManager[System]:
        given = self._given
        options = {
            "--model": given.model,
            "--precision": given.precision,
            "--profile": given.profile,
        }
        told = [text for pair in options.items() if pair[1] for text in pair]
        arguments = ["--engine", engine, "--policy", policy, *told]
        return gateway(arguments, self._folder / "gateway.log", environment)

    async def _closed(
        self, system: System, clients: int, seconds: float
    ) -> tuple[list[Told], dict[str, float]]:
        """Let so many clients ask one request after the other; none is in a hurry."""
        plan = unhurried(self._plan("poisson", 300.0, 10.0, self._given.seed + 2))
        options = ("--clients", str(clients), "--seconds", str(seconds))
        return await self._ask(system, plan, self._folder / "probe.csv", *options)

    async def _ask(
        self, system: System, plan: list[Asked], results: Path, *options: str
    ) -> tuple[list[Told], dict[str, float]]:
        path = self._folder / "plan.jsonl"
        write_plan(path, plan)
        process = await load(system, path, results, *options)
        spent: dict[str, float] = json.loads(await output_of(process))
        return read_told(results), spent

    def _plan(self, arrivals: str, rate: float, seconds: float, seed: int) -> list[Asked]:
        given = self._given
        document = scenario_document(given.scenario, given.set, seed)
        per_token = self._known["characters_per_token"]
        return plan_requests(document, arrivals, rate, seconds, characters_per_token=per_token)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", default="openvino", help="openvino, llama-cpp or simulated")
    parser.add_argument("--model", help="as edgebatch serve takes it")
    parser.add_argument("--precision")
    parser.add_argument("--profile", help="of edgebatch calibrate")
    parser.add_argument("--policy", help="of the gateway; rolling unless given")
    parser.add_argument("--scenario", default="tiny-chat", help="its lengths and deadlines")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--arrivals", nargs="+", choices=ARRIVALS, default=list(ARRIVALS))
    parser.add_argument("--loads", nargs="+", type=float, default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--minutes", type=float, default=5.0, help="of arrivals in each cell")
    parser.add_argument("--probe-minutes", type=float, default=1.0)
    parser.add_argument("--caps", nargs="+", type=int, help="numbers at once to choose from")
    parser.add_argument("--context-tokens", type=int, default=1024, help="llama-cpp: of a slot")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    measurement = Measurement(_arguments())
    run(measurement.carry_out())
    print("\n".join(table(measurement.rows)))


if __name__ == "__main__":
    main()
