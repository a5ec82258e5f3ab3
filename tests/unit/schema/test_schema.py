"""What documents from outside are told about their faults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from edgebatch.errors import InputError
from edgebatch.schema import (
    ABSENT,
    Count,
    Flag,
    Fraction,
    Name,
    NotNegative,
    Positive,
    Section,
    Size,
    parsed_toml,
    path_text,
    read_toml,
    validated,
)


class Wheel(Section):
    radius: Positive
    spokes: Size = ABSENT


class Cart(Section):
    name: Name
    wheels: Annotated[list[Wheel], Field(description="a list of wheels")] = ABSENT
    loads: Annotated[
        list[Annotated[Positive, Field(description="a load above 0")]],
        Field(description="a list of loads"),
    ] = ABSENT
    front: Annotated[Wheel, Field(description="a wheel")] = ABSENT
    fill: Fraction = ABSENT
    age_years: NotNegative = ABSENT
    covered: Flag = ABSENT
    made: Count = ABSENT
    kind: Annotated[Literal["hand", "horse"], Field(description="'hand' or 'horse'")] = ABSENT


def fault(**changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        validated({"name": "c"} | changes, Cart)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "name: must be a string that is not empty, got ''"),
        ({"name": None}, "name: must be a string that is not empty, got null"),
        ({"fill": 1.5}, "fill: must be a number from 0 to 1, got 1.5"),
        ({"fill": True}, "fill: must be a number from 0 to 1, got true"),
        ({"age_years": -1}, "age_years: must be a finite number of at least 0, got -1"),
        ({"age_years": float("nan")}, "age_years: must be a finite number of at least 0, got nan"),
        ({"age_years": float("inf")}, "age_years: must be a finite number of at least 0, got inf"),
        ({"age_years": 1e101}, "age_years: must be at most 1e+100, got 1e+101"),
        ({"covered": 1}, "covered: must be true or false, got 1"),
        ({"made": 10**60}, "made: must be at most 1e+30, got a whole number of 200 bits"),
        ({"made": 1.0}, "made: must be a whole number of at least 1, got 1.0"),
        ({"kind": "hoarse"}, "kind: must be 'hand' or 'horse', got 'hoarse'"),
        ({"front": 3}, "front: must be a wheel, got 3"),
        ({"front": {}}, "front.radius: is missing; expected a finite number above 0"),
        ({"front": {"radius": 0}}, "front.radius: must be a finite number above 0, got 0"),
        ({"front": {"radius": 1e-200}}, "front.radius: must be at least 1e-100, got 1e-200"),
        ({"wheels": {}}, "wheels: must be a list of wheels, got an object"),
        ({"wheels": [3]}, "wheels[0]: must be an object with the keys radius, spokes, got 3"),
        ({"wheels": [{"radius": 1}, {}]}, "wheels[1].radius: is missing"),
        ({"loads": [1.0, 0]}, "loads[1]: must be a load above 0, got 0"),
        ({"loads": ["x" * 90]}, f"loads[0]: must be a load above 0, got '{'x' * 56}..."),
        ({"front": {"radius": 1, "spoke": 3}}, "front.spoke: unknown name 'spoke'; did you mean"),
        ({"colour": 1}, "colour: unknown name 'colour'; known: name, wheels"),
    ],
)
def test_a_fault_is_said_with_its_path_and_what_was_expected(
    changes: dict[str, Any], said: str
) -> None:
    assert fault(**changes).startswith(said)


def test_the_first_fault_in_the_document_is_said_and_the_others_counted() -> None:
    assert fault(fill=2, covered=2, front={}) == (
        "fill: must be a number from 0 to 1, got 2 (and 2 more errors)"
    )


def test_a_document_that_is_none_is_said_to_lack_the_keys() -> None:
    with pytest.raises(InputError, match="must be an object with the keys name, wheels"):
        validated([], Cart)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (("requests", 3, "id"), "requests[3].id"),
        (("a b", "c"), '["a b"].c'),
        (("node", "x\ny"), 'node["x\\ny"]'),
        ((), ""),
    ],
)
def test_paths_read_like_the_document(keys: tuple[str | int, ...], text: str) -> None:
    assert path_text(keys) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = ", "not valid TOML: "),
        pytest.param("x = " + "9" * 5000, "a number has too many digits", id="digits"),
        pytest.param("x = " + "[" * 100_000, "nested too deeply", id="depth"),
    ],
)
def test_text_that_is_no_toml_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parsed_toml(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_toml(tmp_path)
    path = tmp_path / "utf16.toml"
    path.write_bytes(b"x = '\xff'")
    with pytest.raises(InputError, match=r"utf16\.toml: not UTF-8 text: byte 0xff at offset 5"):
        read_toml(path)
    with pytest.raises(InputError, match="no file has a NUL in its name"):
        read_toml(Path("a\0b"))
