"""``edgebatch solve``: formulation §7 from the outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli_process import edgebatch, refusal
from edgebatch.cost import evaluate
from edgebatch.problem.files import FileFormat, dump_problem, load_problem

# W = 1000·2 bytes; K = 2·1·1·4·2 = 16 bytes per token; memory has room for 200 tokens
PROBLEM: dict[str, Any] = {
    "node": {
        "memory_bytes": 5200,
        "flops": 1e6,
        "uplink_seconds": 0.1,
        "downlink_seconds": 0.1,
    },
    "model": {"layers": 1, "hidden_size": 4, "ffn_size": 8, "heads": 1, "parameters": 1000},
    "precisions": [
        {
            "name": "w16",
            "weight_bytes": 2,
            "kv_bytes": 2,
            "prefill_factor": 1,
            "decode_factor": 1,
            "quality": 1,
        }
    ],
    "requests": [
        {
            "id": name,
            "prompt_tokens": 40,
            "output_tokens": 40,
            "deadline_seconds": 10,
            "uplink_share": share,
        }
        for name, share in (("a", 0.1), ("b", 0.3), ("c", 0.5))
    ],
}

SOLVERS = (
    "dftsp",
    "brute-force",
    "static",
    "none",
    "fcfs",
    "edf",
    "sjf",
    "greedy",
    "cp-sat",
    "milp",
)


@pytest.fixture
def problem_file(tmp_path: Path) -> Path:
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(PROBLEM), encoding="utf-8")
    return path


def test_the_answer_has_every_key_of_the_formulation_in_its_order(problem_file: Path) -> None:
    result = edgebatch("solve", problem_file)
    assert (result.returncode, result.stderr) == (0, b"")
    answer = json.loads(result.stdout)
    assert list(answer) == [
        "status",
        "objective",
        "bound",
        "precision",
        "selected",
        "latency_seconds",
        "memory_bytes",
        "uplink_shares",
        "downlink_shares",
        "solver",
        "nodes",
        "runtime_seconds",
    ]


def test_the_answer_is_what_the_evaluator_says_of_the_selection(problem_file: Path) -> None:
    answer = json.loads(edgebatch("solve", problem_file).stdout)
    problem = load_problem(problem_file)
    selected = [problem.requests.ids.index(name) for name in answer["selected"]]
    evaluation = evaluate(problem, selected, answer["precision"])
    assert evaluation.feasible
    assert answer["status"] == "optimal"
    # 200 tokens hold two requests of 40 + 40
    assert answer["objective"] == answer["bound"] == evaluation.objective == 2.0
    assert answer["latency_seconds"] == evaluation.latency_seconds
    # 2000 + 16 · 2 · 80 = 4560
    assert answer["memory_bytes"] == evaluation.memory_bytes == 4560.0


def test_the_whole_band_is_dealt_out_among_the_selected(problem_file: Path) -> None:
    answer = json.loads(edgebatch("solve", problem_file, "--solver", "fcfs").stdout)
    assert answer["selected"] == ["a", "b"]
    # least shares 0.1 and 0.3 in proportion
    assert answer["uplink_shares"] == pytest.approx({"a": 0.25, "b": 0.75})
    assert answer["downlink_shares"] == {"a": 0.5, "b": 0.5}


def test_a_phase_that_does_not_exist_has_no_shares() -> None:
    problem = PROBLEM | {"node": {"memory_bytes": 5200, "flops": 1e6}}
    answer = json.loads(edgebatch("solve", "-", stdin=json.dumps(problem).encode()).stdout)
    assert answer["uplink_shares"] == answer["downlink_shares"] == {}


@pytest.mark.parametrize("file_format", FileFormat)
def test_both_formats_are_read_from_standard_input(
    problem_file: Path, file_format: FileFormat
) -> None:
    text = dump_problem(load_problem(problem_file), file_format)
    result = edgebatch("solve", "-", stdin=text.encode())
    assert json.loads(result.stdout)["objective"] == 2.0


def test_nothing_servable_is_optimal_with_an_empty_selection() -> None:
    requests = [request | {"deadline_seconds": 0} for request in PROBLEM["requests"]]
    problem = PROBLEM | {"requests": requests}
    answer = json.loads(edgebatch("solve", "-", stdin=json.dumps(problem).encode()).stdout)
    assert answer["status"] == "optimal"
    assert answer["selected"] == []
    assert answer["precision"] is None
    assert answer["objective"] == answer["bound"] == answer["latency_seconds"] == 0.0
    assert answer["memory_bytes"] == 2000.0


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_can_be_asked_for(problem_file: Path, solver: str) -> None:
    answer = json.loads(edgebatch("solve", problem_file, "--solver", solver).stdout)
    assert answer["solver"] == solver
    assert len(answer["selected"]) in (1, 2)


def test_a_node_limit_gives_a_feasible_answer_with_a_bound(problem_file: Path) -> None:
    answer = json.loads(edgebatch("solve", problem_file, "--node-limit", "0").stdout)
    assert answer["nodes"] == 0
    assert answer["objective"] <= 2.0 <= answer["bound"]


def test_a_batch_cap_reaches_the_solver(problem_file: Path) -> None:
    result = edgebatch("solve", problem_file, "--solver", "fcfs", "--batch-cap", "1")
    assert json.loads(result.stdout)["selected"] == ["a"]


def test_the_same_problem_gives_the_same_bytes_but_for_the_clock(problem_file: Path) -> None:
    first, second = (json.loads(edgebatch("solve", problem_file).stdout) for _ in range(2))
    del first["runtime_seconds"], second["runtime_seconds"]
    assert json.dumps(first) == json.dumps(second)


def request_with(**changes: object) -> dict[str, Any]:
    return PROBLEM | {"requests": [PROBLEM["requests"][0] | changes]}


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (request_with(output_tokens="x"), "requests[0].output_tokens: must be a whole number"),
        (request_with(output_tokens=-3), "requests[0].output_tokens: must be a whole number"),
        (request_with(deadline_seconds=float("nan")), "requests[0].deadline_seconds: must be"),
        (request_with(value=float("inf")), "requests[0].value: must be a finite number above 0"),
        (request_with(min_qualty=1), "unknown name 'min_qualty'; did you mean 'min_quality'?"),
        (PROBLEM | {"requests": PROBLEM["requests"] * 2}, "requests[3].id: must be unique"),
        (PROBLEM | {"batching": "ragd"}, "batching: must be one of 'padded'"),
        ({"node": PROBLEM["node"]}, "model: is missing"),
    ],
)
def test_a_bad_problem_is_refused_with_the_path_of_the_fault(
    problem: dict[str, Any], said: str
) -> None:
    line = refusal("solve", "-", stdin=json.dumps(problem).encode())
    assert line.startswith("edgebatch: error: standard input: ")
    assert said in line


@pytest.mark.parametrize("content", [b"", b"{", b"x = ", b"\xff\xfe{\x00}\x00", b"[" * 100_000])
def test_what_is_no_problem_at_all_is_refused(content: bytes) -> None:
    assert "standard input: " in refusal("solve", "-", stdin=content)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "missing.json"
    line = refusal("solve", path)
    assert line == f"edgebatch: error: {path}: cannot be read: No such file or directory"


def test_a_name_with_a_line_break_stays_on_one_line() -> None:
    assert "cannot be read" in refusal("solve", "miss\ning.json")


def test_an_unknown_solver_is_refused_with_the_nearest_name(problem_file: Path) -> None:
    line = refusal("solve", problem_file, "--solver", "dfstp")
    assert "--solver: unknown name 'dfstp'; did you mean 'dftsp'?" in line


def test_weights_that_do_not_fit_are_refused() -> None:
    problem = PROBLEM | {"node": {"memory_bytes": 1999, "flops": 1e6}}
    assert "too little" in refusal("solve", "-", stdin=json.dumps(problem).encode())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--time-limit", "-1"), "--time-limit: must be a finite number of at least 0"),
        (("--time-limit", "nan"), "--time-limit: must be a finite number of at least 0"),
        (("--time-limit", "soon"), "--time-limit"),
        (("--node-limit", "-1"), "--node-limit: must be a finite number of at least 0"),
        (("--node-limit", "1.5"), "--node-limit"),
        (("--batch-cap", "3"), "has no knob 'batch_cap'"),
        (("--solver", "fcfs", "--batch-cap", "0"), "--batch-cap"),
        (("--sovler", "fcfs"), "--solver"),
        (("--solver",), "--solver"),
        (("another.json",), "another.json"),
    ],
)
def test_a_bad_option_is_refused(problem_file: Path, options: tuple[str, ...], said: str) -> None:
    assert said in refusal("solve", problem_file, *options)
