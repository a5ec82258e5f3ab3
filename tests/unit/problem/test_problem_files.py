"""Problem files: what §7 of the formulation allows, and what is said where a file departs."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebatch.cost import evaluate
from edgebatch.errors import InputError
from edgebatch.problem import Batching, Committed, InFlight, Problem, Request, Requests
from edgebatch.problem.files import FileFormat, dump_problem, load_problem, parse_problem
from strategies import problems

REQUEST = {"id": "a", "prompt_tokens": 128, "output_tokens": 256, "deadline_seconds": 1.4}

# the example of the formulation
COMPLETE: dict[str, Any] = {
    "node": {
        "memory_bytes": 8e9,
        "flops": 1.33e12,
        "memory_bandwidth": 59.7e9,
        "uplink_seconds": 0.25,
        "downlink_seconds": 0.25,
        "step_overhead_seconds": 0.0,
        "batch_overhead_seconds": 0.0,
        "reserved_bytes": 0,
    },
    "model": {
        "layers": 30,
        "hidden_size": 2560,
        "ffn_size": 10240,
        "heads": 32,
        "kv_heads": 32,
        "head_size": 80,
        "gated_ffn": False,
        "parameters": 3002557440,
    },
    "precisions": [
        {
            "name": "w8a16",
            "weight_bytes": 1.0,
            "kv_bytes": 2.0,
            "prefill_factor": 1.0,
            "decode_factor": 0.6,
            "quality": 0.99,
        }
    ],
    "batching": "padded",
    "requests": [
        REQUEST | {"min_quality": 0.9, "value": 1.0, "uplink_share": 0.01, "downlink_share": 0.002}
    ],
}

MINIMAL_TOML = """
requests = []

[node]
memory_bytes = 8_000_000_000
flops = 1.33e12

[model]
layers = 2
hidden_size = 8
ffn_size = 32
heads = 2

[[precisions]]
name = "w16"
weight_bytes = 2
kv_bytes = 2
prefill_factor = 1
decode_factor = 1
quality = 1
"""


def changed(path: list[str | int], value: object) -> dict[str, Any]:
    """Return the complete document with one value put in."""
    document = copy.deepcopy(COMPLETE)
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def without(path: list[str | int]) -> dict[str, Any]:
    """Return the complete document with one key left out."""
    document = copy.deepcopy(COMPLETE)
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return document


def shortened(value: object) -> str:
    return repr(value)[:40]


def error_of(content: str | bytes, file_format: FileFormat | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_problem(content, file_format)
    assert "\n" not in str(caught.value)
    return caught.value


def same(one: Problem, other: Problem) -> bool:
    """Whether two problems agree in all that a file can say."""
    return (
        one.node.replace(name="") == other.node.replace(name="")
        and one.model.replace(name="") == other.model.replace(name="")
        and one.precisions == other.precisions
        and one.batching is other.batching
        and one.max_batch == other.max_batch
        and list(one.requests) == list(other.requests)
    )


def test_the_example_of_the_formulation_is_read_key_by_key() -> None:
    problem = parse_problem(json.dumps(COMPLETE))
    assert problem.node.memory_bandwidth == 59.7e9
    assert problem.node.uplink_seconds == 0.25
    assert problem.model.parameters == 3002557440
    assert problem.precisions[0].decode_factor == 0.6
    assert problem.batching is Batching.PADDED
    assert problem.requests[0] == Request(
        "a", 128, 256, 1.4, min_quality=0.9, value=1.0, uplink_share=0.01, downlink_share=0.002
    )


def test_keys_left_out_take_the_defaults_of_the_formulation() -> None:
    problem = parse_problem(MINIMAL_TOML)
    assert problem.node.memory_bandwidth is None
    assert problem.node.radio_seconds == 0.0
    assert problem.node.step_overhead_seconds == problem.node.batch_overhead_seconds == 0.0
    assert problem.node.reserved_bytes == 0.0
    assert (problem.model.kv_heads, problem.model.head_size) == (2, 4)
    assert problem.model.gated_ffn is False
    # L·A = 2 · (4·8² + 2·8·32) = 2 · 768
    assert problem.model.parameters == 1536
    assert problem.batching is Batching.RAGGED
    assert problem.max_batch is None
    assert len(problem.requests) == 0


def test_a_request_needs_only_id_lengths_and_deadline() -> None:
    problem = parse_problem(json.dumps(changed(["requests", 0], REQUEST)))
    assert problem.requests[0] == Request("a", 128, 256, 1.4)


def test_a_batch_may_be_limited_to_a_number_of_members() -> None:
    assert parse_problem(json.dumps(COMPLETE | {"max_batch": 8})).max_batch == 8


def test_a_precision_may_say_more_of_its_cost() -> None:
    measured = {
        "prefill_attention_factor": 1.5,
        "decode_attention_factor": 0,
        "step_overhead_seconds": 0.001,
        "request_overhead_seconds": 0.002,
    }
    document = changed(["precisions", 0], COMPLETE["precisions"][0] | measured)
    [precision] = parse_problem(json.dumps(document)).precisions
    assert (precision.prefill_attention_factor, precision.decode_attention_factor) == (1.5, 0.0)
    assert precision.step_overhead_seconds == 0.001
    assert precision.request_overhead_seconds == 0.002
    [plain] = parse_problem(json.dumps(COMPLETE)).precisions
    assert (plain.prefill_attention_factor, plain.decode_attention_factor) == (None, None)
    assert plain.step_overhead_seconds == plain.request_overhead_seconds == 0.0


@pytest.mark.parametrize(
    "key",
    [
        "prefill_attention_factor",
        "decode_attention_factor",
        "step_overhead_seconds",
        "request_overhead_seconds",
    ],
)
@pytest.mark.parametrize("value", [-1, None, "1", True])
def test_what_a_precision_says_more_is_checked_too(key: str, value: object) -> None:
    error = error_of(json.dumps(changed(["precisions", 0, key], value)))
    assert error.path == f"precisions[0].{key}"
    assert "a finite number of at least 0" in error.problem


@given(problem=problems(), file_format=st.sampled_from(FileFormat))
def test_writing_and_reading_gives_the_same_problem(
    problem: Problem, file_format: FileFormat
) -> None:
    text = dump_problem(problem, file_format)
    assert same(parse_problem(text, file_format), problem)
    assert same(parse_problem(text.encode()), problem)  # recognised by its content


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    deadline=st.floats(min_value=0.0, max_value=1e100),
    file_format=st.sampled_from(FileFormat),
)
def test_any_name_and_any_float_survive_a_file(
    name: str, deadline: float, file_format: FileFormat
) -> None:
    requests = Requests.from_list([Request(name, 1, 1, deadline)])
    problem = parse_problem(MINIMAL_TOML).replace(requests=requests)
    assert same(parse_problem(dump_problem(problem, file_format)), problem)


@pytest.mark.parametrize("file_format", FileFormat)
def test_a_file_is_recognised_by_its_suffix_or_its_content(
    tmp_path: Path, file_format: FileFormat
) -> None:
    problem = parse_problem(json.dumps(COMPLETE))
    for name in (f"problem.{file_format}", f"PROBLEM.{file_format.upper()}", "problem", "a.txt"):
        path = tmp_path / name
        path.write_text(dump_problem(problem, file_format), encoding="utf-8")
        assert same(load_problem(path), problem)


def test_a_suffix_outweighs_the_content(tmp_path: Path) -> None:
    path = tmp_path / "problem.toml"
    path.write_text(json.dumps(COMPLETE), encoding="utf-8")
    with pytest.raises(InputError, match="not valid TOML"):
        load_problem(path)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert len(parse_problem(json.dumps(COMPLETE).encode("utf-8-sig")).requests) == 1


BAD_VALUES: list[tuple[list[str | int], object, str]] = [
    (["requests", 0, "output_tokens"], "x", "must be a whole number of at least 1, got 'x'"),
    (["requests", 0, "output_tokens"], "3", "must be a whole number of at least 1, got '3'"),
    (["requests", 0, "output_tokens"], 3.0, "must be a whole number of at least 1, got 3.0"),
    (["requests", 0, "output_tokens"], True, "must be a whole number of at least 1, got true"),
    (["requests", 0, "output_tokens"], 0, "must be a whole number of at least 1, got 0"),
    (["requests", 0, "output_tokens"], None, "must be a whole number of at least 1, got null"),
    (["requests", 0, "prompt_tokens"], -1, "must be a whole number of at least 1, got -1"),
    (["requests", 0, "prompt_tokens"], 2**31, "must be at most 2147483647, got 2147483648"),
    (["requests", 0, "deadline_seconds"], -0.5, "must be a finite number of at least 0, got -0.5"),
    (["requests", 0, "deadline_seconds"], math.nan, "finite number of at least 0, got nan"),
    (["requests", 0, "deadline_seconds"], math.inf, "finite number of at least 0, got inf"),
    (["requests", 0, "deadline_seconds"], 1e308, "must be at most 1e+100, got 1e+308"),
    (["requests", 0, "min_quality"], 1.5, "must be a number from 0 to 1, got 1.5"),
    (["requests", 0, "value"], 0, "must be a finite number above 0, got 0"),
    (["requests", 0, "value"], False, "must be a finite number above 0, got false"),
    (["requests", 0, "id"], 7, "must be a string that is not empty, got 7"),
    (["requests", 0, "id"], "", "must be a string that is not empty, got ''"),
    (["requests", 0, "id"], "\ud800", r"must be a string that is not empty, got '\ud800'"),
    (["requests", 0], "a", "must be an object with the keys id, prompt_tokens"),
    (["requests"], {}, "must be a list of requests, got an object"),
    (["precisions"], [], "must be a list of at least one precision, got an empty list"),
    (["precisions", 0, "quality"], -math.inf, "must be a number from 0 to 1, got -inf"),
    (["precisions", 0, "weight_bytes"], 0.0, "must be a finite number above 0, got 0.0"),
    (["precisions", 0, "name"], ["w8"], "must be a string that is not empty, got a list"),
    (["model", "layers"], 10**200, "must be at most 2147483647, got a whole number of 665 bits"),
    (["model", "gated_ffn"], "yes", "must be true or false, got 'yes'"),
    (["model", "gated_ffn"], 1, "must be true or false, got 1"),
    (["model", "heads"], [], "must be a whole number of at least 1, got an empty list"),
    (["node", "memory_bytes"], "8 GB", "must be a finite number above 0, got '8 GB'"),
    (
        ["node", "flops"],
        10**400,
        "must be a finite number above 0, got inf",
    ),
    (["node", "memory_bandwidth"], None, "must be a finite number above 0, got null"),
    (["node", "reserved_bytes"], -1, "must be a finite number of at least 0, got -1"),
    (["node"], 8, "must be an object with the node's keys, got 8"),
    (["batching"], "paded", "one of 'padded', 'prompt-padded', 'ragged', got 'paded'"),
    (["max_batch"], 0, "a whole number of at least 1, got 0"),
    (["max_batch"], 2.5, "a whole number of at least 1, got 2.5"),
    (["max_batch"], None, "a whole number of at least 1, got null"),
    (["batching"], 1, "one of 'padded', 'prompt-padded', 'ragged', got 1"),
]


@pytest.mark.parametrize(("path", "value", "problem"), BAD_VALUES, ids=shortened)
def test_a_bad_value_is_named_with_its_path_and_what_was_expected(
    path: list[str | int], value: object, problem: str
) -> None:
    error = error_of(json.dumps(changed(path, value)))
    shown = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    assert error.path == shown.lstrip(".")
    assert problem in error.problem


@pytest.mark.parametrize(
    "path",
    [["node"], ["node", "flops"], ["model", "heads"], ["precisions", 0, "quality"], ["requests"]]
    + [["requests", 0, key] for key in REQUEST],
)
def test_a_missing_key_is_named_with_what_was_expected(path: list[str | int]) -> None:
    error = error_of(json.dumps(without(path)))
    assert error.path.endswith(str(path[-1]))
    assert error.problem.startswith("is missing; expected a")


def test_an_unknown_key_is_named_with_the_nearest_known_one() -> None:
    error = error_of(json.dumps(changed(["requests", 0, "output_token"], 5)))
    assert str(error) == (
        "requests[0].output_token: unknown name 'output_token'; did you mean 'output_tokens'?"
    )


def test_an_unknown_key_nothing_like_a_known_one_gets_the_list() -> None:
    error = error_of(json.dumps(changed(["zzz"], {"a": 1})))
    assert error.path == "zzz"
    assert "known: node, model, precisions, batching, max_batch, requests" in error.problem


def test_a_key_that_is_no_plain_word_stays_on_one_line_and_short() -> None:
    error = error_of(json.dumps(changed(["node", "a\nb" + "c" * 1000], 1)))
    assert error.path.startswith(r'node["a\nb')
    assert len(str(error)) < 400


def test_the_first_fault_in_the_order_of_the_document_is_reported_and_the_rest_counted() -> None:
    document = changed(["requests", 0, "value"], "much")
    document["model"]["heads"] = 0
    reordered = {key: document[key] for key in ("requests", "batching", "model")}
    reordered |= {"precisions": document["precisions"], "node": {"flops": 1}}
    error = error_of(json.dumps(reordered))
    assert error.path == "requests[0].value"
    assert error.problem.endswith("got 'much' (and 2 more errors)")


def test_an_id_given_twice_names_both_requests() -> None:
    error = error_of(json.dumps(changed(["requests"], [REQUEST, REQUEST | {"id": "b"}, REQUEST])))
    assert error.path == "requests[2].id"
    assert "'a' is also the id of requests[0]" in error.problem


def test_two_precisions_of_one_name_are_refused() -> None:
    error = error_of(json.dumps(changed(["precisions"], COMPLETE["precisions"] * 2)))
    assert error.path == "precisions[1].name"


def test_heads_that_do_not_divide_the_hidden_size_need_a_head_size() -> None:
    document = changed(["model", "heads"], 3)
    del document["model"]["head_size"]
    assert error_of(json.dumps(document)).path == "model.head_size"


def test_a_json_key_given_twice_is_refused_with_its_path() -> None:
    text = json.dumps(COMPLETE).replace('"id": "a"', '"id": "a", "id": "b"')
    assert str(error_of(text)) == "requests[0].id: is given twice in the same object"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"node": {,}}', "not valid JSON: "),
        ('{"node":\n {"flops": 1.0', "not valid JSON: Expecting ',' delimiter (line 2, column 15)"),
        ('{"node": 1} x', "not valid JSON: Extra data (line 1, column 13)"),
        ("[node]\nflops = ", "not valid TOML: Invalid value (at "),
        ("[node]\nflops = 1\nflops = 2\n", "not valid TOML: Cannot overwrite a value (at line 3"),
        ("a = " + "9" * 5000, "not valid TOML: a number has too many digits"),
        ("", "the problem is empty"),
        (" \n\t", "the problem is empty"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("a = " + "[" * 100_000, "nested too deeply"),
    ],
    ids=shortened,
)
def test_text_that_cannot_be_parsed_says_where(text: str, problem: str) -> None:
    assert problem in str(error_of(text))


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000], ids=shortened
)
def test_json_numbers_that_are_not_finite_are_refused(number: str) -> None:
    error = error_of(json.dumps(COMPLETE).replace("59700000000.0", number))
    assert error.path == "node.memory_bandwidth"
    assert "must be a finite number above 0" in error.problem


@pytest.mark.parametrize(
    "number", ["nan", "inf", "-inf", "1e400", "-0.1", "0x" + "f" * 5000], ids=shortened
)
def test_toml_numbers_that_are_not_finite_are_refused(number: str) -> None:
    error = error_of(MINIMAL_TOML.replace("1.33e12", number))
    assert error.path == "node.flops"
    assert "must be a finite number above 0" in error.problem


def test_a_toml_date_is_no_number() -> None:
    error = error_of(MINIMAL_TOML.replace("1.33e12", "1979-05-27"))
    assert error.problem == "must be a finite number above 0, got 1979-05-27"


@pytest.mark.parametrize("text", ["[1, 2]", "3", "null", '"node"'])
def test_a_document_that_is_no_object_is_refused(text: str) -> None:
    error = error_of(text, FileFormat.JSON)
    assert (
        "an object with the keys node, model, precisions, batching, max_batch, requests"
        in error.problem
    )


def test_text_that_is_not_utf_8_says_where() -> None:
    assert str(error_of(b"abc\xff")) == "not UTF-8 text: byte 0xff at offset 3"


def test_errors_of_a_file_begin_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(changed(["requests", 0, "id"], 7)), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_problem(path)
    assert str(caught.value).startswith(f"{path}: requests[0].id: must be a string")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.json: cannot be read: No such file"):
        load_problem(tmp_path / "missing.json")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_problem(tmp_path)


def test_work_in_flight_cannot_be_written() -> None:
    running = InFlight(
        "w16", (Committed(context_tokens=8, remaining_tokens=4, deadline_seconds=1),)
    )
    with pytest.raises(InputError, match="in_flight: has no place in a problem file"):
        dump_problem(parse_problem(MINIMAL_TOML).replace(in_flight=running))


@pytest.mark.parametrize("deadline", [math.inf, -1.0])
def test_a_deadline_that_a_file_may_not_hold_cannot_be_written(deadline: float) -> None:
    requests = Requests.from_list([Request("a", 1, 1, deadline)])
    with pytest.raises(InputError, match=r"requests\[0\].deadline_seconds"):
        dump_problem(parse_problem(MINIMAL_TOML).replace(requests=requests))


def test_the_largest_numbers_that_a_file_may_hold_are_costed_without_overflow() -> None:
    document = copy.deepcopy(COMPLETE)
    for key in document["node"]:
        document["node"][key] = 1e100
    document["model"] = dict.fromkeys(("layers", "hidden_size", "ffn_size", "heads"), 2**31 - 1)
    document["precisions"][0] |= {"weight_bytes": 1e100, "kv_bytes": 1e100, "decode_factor": 1e100}
    request = REQUEST | {"prompt_tokens": 2**31 - 1, "output_tokens": 2**31 - 1, "value": 1e100}
    document["requests"] = [request, request | {"id": "b"}]
    problem = parse_problem(json.dumps(document))
    evaluation = evaluate(problem, (0, 1), "w8a16")
    assert evaluation.objective == 2e100
    assert math.isfinite(evaluation.latency_seconds)
    assert math.isfinite(evaluation.memory_bytes)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
PLACES: list[list[str | int]] = [
    [],
    ["node"],
    ["model"],
    ["precisions"],
    ["precisions", 0],
    ["requests"],
    ["requests", 0],
    *([section, key] for section in ("node", "model") for key in COMPLETE[section]),
    *([section, 0, key] for section in ("precisions", "requests") for key in COMPLETE[section][0]),
    ["requests", 0, "\ud800"],
]


@given(place=st.sampled_from(PLACES), value=JSON_VALUES)
def test_whatever_stands_in_a_file_it_is_a_problem_or_one_line_of_error(
    place: list[str | int], value: object
) -> None:
    text = json.dumps(changed(place, value) if place else value)
    said = ""
    try:
        problem = parse_problem(text, FileFormat.JSON)
    except InputError as error:
        said = str(error)
    else:
        assert same(parse_problem(dump_problem(problem)), problem)
    assert said.isprintable()  # no line breaks either
