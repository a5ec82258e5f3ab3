"""Every key that the schema knows can be set on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest

from edgebatch.errors import InputError
from edgebatch.scenario import builtin_names, builtin_text, overridden, read_document
from edgebatch.scenario.schema import ScenarioDocument, ServerSection
from edgebatch.schema import Section, validated
from toy_scenario import TOY

CUSTOM = (
    '[{name = "a", weight_bytes = 1.0, kv_bytes = 2.0, '
    "prefill_factor = 1.0, decode_factor = 1.0, quality = 1.0}]"
)


def leaves(schema: type[Section], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, field in schema.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field.annotation


KEYS = dict(leaves(ScenarioDocument))


def sample(annotation: Any) -> str:
    """Return a value of that type as one would write it on the command line."""
    if annotation is Any:
        return "0.75"
    origin = get_origin(annotation)
    if origin is Annotated:
        return sample(annotation.__origin__)
    if origin is Literal:
        return str(get_args(annotation)[0])
    if origin is list:
        [item] = get_args(annotation)
        if item is ServerSection:
            return '[{precision = "w16", count = 2}]'
        if isinstance(item, type) and issubclass(item, Section):
            return CUSTOM
        inner = sample(item)
        return f'["{inner}"]' if inner == "name" else f"[{inner}]"
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return str(next(iter(annotation)).value)
        return {bool: "true", int: "7", float: "0.25", str: "name"}[annotation]
    return sample(get_args(annotation)[0])


def value_at(document: Any, key: str) -> Any:
    for part in key.split("."):
        document = document[part]
    return document


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_set_and_is_accepted(key: str) -> None:
    document = overridden(TOY, [f"{key}={sample(KEYS[key])}"])
    checked = validated(document, ScenarioDocument).model_dump(exclude_unset=True)
    assert value_at(checked, key) is not None
    before = TOY
    for part in key.split(".")[:-1]:
        before = before.get(part, {})
    assert value_at(checked, key) != before.get(key.split(".")[-1])


@pytest.mark.parametrize("key", [key for key in KEYS if "." in key])
def test_every_key_misspelt_is_refused_with_the_nearest(key: str) -> None:
    section, _, name = key.rpartition(".")
    wrong = f"{section}.{name}x"
    with pytest.raises(InputError) as caught:
        validated(overridden(TOY, [f"{wrong}=1"]), ScenarioDocument)
    assert caught.value.path == wrong
    assert "did you mean" in caught.value.problem


@pytest.mark.parametrize("name", builtin_names())
def test_an_empty_value_removes_a_key(name: str) -> None:
    document = read_document(name)
    for section, keys in document.items():
        for key in keys if isinstance(keys, dict) else ():
            assert key not in overridden(document, [f"{section}.{key}="])[section]
        assert section not in overridden(document, [f"{section}="])


def test_the_commented_scenario_shows_nearly_every_key() -> None:
    text = builtin_text("edge-cell")
    # the sizes of models, finer settings of the cell and windows of traces are left to the manual
    left_out = [
        key
        for key in KEYS
        if key.rpartition(".")[2] not in text and key.split(".")[0] not in ("model", "radio")
    ]
    assert left_out == [
        "workload.start_seconds",
        "workload.end_seconds",
        "workload.max_prompt_tokens",
        "workload.clip_prompts",
        "workload.actual_output_tokens",
        "workload.output_limit_factor",
        "workload.output_limit_tokens",
        "workload.output_limit_sizes",
        "workload.deadline_per_output_token_seconds",
    ]
