"""Tables of operator times of one decoder layer, and the passes that can be put together of them.

The format is that of LLMServingSim's profiler, version 1: ``dense.csv`` (layer, tokens, time_us)
for what depends on the tokens of a pass, ``per_sequence.csv`` (layer, sequences, time_us) for what
comes once a sequence, and ``attention.csv`` (prefill_chunk, kv_prefill, n_decode, kv_decode,
time_us) for the attention of one layer. Where a pass has as many tokens as no row, that of the next
larger number is taken: kernels work in tiles, so times rise in steps.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebatch.errors import InputError

MICRO = 1e-6

_ONCE = ("embedding", "final_layernorm")
_EACH_LAYER = (  # the two norms of a layer are one operator in the table
    *("layernorm", "qkv_proj", "rotary_emb", "o_proj"),
    *("layernorm", "gate_up_proj", "act_fn", "down_proj"),
)
_EACH_SEQUENCE = ("lm_head", "sampler")
_ATTENTION_KEYS = ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode")
_MOST_DIGITS = 9

Curve = tuple[list[int], list[float]]
"""Ascending numbers, and the seconds measured at each."""


@dataclass(frozen=True, slots=True)
class OperatorTables:
    """Measured times of a model's operators, seconds.

    Attributes:
        layers: decoder layers of the whole model.
        dense: of each operator, over the tokens of a pass.
        per_sequence: of each operator, over the sequences of a pass.
        attention: of one layer, at (prompt tokens, members that decode, context of each).
    """

    layers: int
    dense: Mapping[str, Curve]
    per_sequence: Mapping[str, Curve]
    attention: Mapping[tuple[int, int, int], float]

    @classmethod
    def read(cls, folder: str | Path, layers: int) -> OperatorTables:
        """Return the tables in a folder.

        Raises:
            InputError: a file cannot be read, or lacks a column or an operator; with its line.
        """
        place = Path(folder)
        attention = {
            (int(prompt), int(members), int(context)): seconds
            for (prompt, cached, members, context), seconds in _rows(
                place / "attention.csv", _ATTENTION_KEYS
            )
            if cached == 0  # prompts are read whole here, not in chunks
        }
        return cls(
            layers,
            _curves(place / "dense.csv", "tokens", (*_ONCE, *_EACH_LAYER)),
            _curves(place / "per_sequence.csv", "sequences", _EACH_SEQUENCE),
            attention,
        )

    @property
    def most_tokens(self) -> int:
        """Most tokens of a pass that every operator was measured at."""
        return min(numbers[-1] for numbers, _ in self.dense.values())

    @property
    def most_sequences(self) -> int:
        """Most sequences of a pass that every operator was measured at."""
        return min(numbers[-1] for numbers, _ in self.per_sequence.values())

    def pass_seconds(self, tokens: int, sequences: int, attention_seconds: float) -> float:
        """Return the time of a pass through the whole model.

        Args:
            tokens: that go through it, prompts' and one of each member that decodes.
            sequences: that gain a token by it.
            attention_seconds: of one layer.
        """
        layer = sum(_at(self.dense[name], tokens) for name in _EACH_LAYER)
        once = sum(_at(self.dense[name], tokens) for name in _ONCE)
        head = sum(_at(self.per_sequence[name], sequences) for name in _EACH_SEQUENCE)
        return self.layers * (layer + attention_seconds) + once + head

    def decode_attention_seconds(self, members: int) -> Curve:
        """Return one layer's attention over the context, for so many that decode."""
        points = sorted(
            (context, seconds)
            for (prompt, number, context), seconds in self.attention.items()
            if prompt == 0 and number == members
        )
        return [context for context, _ in points], [seconds for _, seconds in points]

    def batch_seconds(self, members: int, prompt: int, output: int) -> float:
        """Return the time of a batch of equal requests that start and end together.

        Attention is interpolated between measured contexts; prompts are read in one pass, their
        attention one after the other.
        """
        contexts, seconds = self.decode_attention_seconds(members)
        reading = members * self.attention[prompt, 0, 0]
        total = self.pass_seconds(members * prompt, members, reading)
        steps = np.arange(prompt + 1, prompt + output)
        rest = self.pass_seconds(members, members, 0.0)
        attention = np.interp(steps, contexts, seconds)
        return total + float((rest + self.layers * attention).sum())


def _at(curve: Curve, number: int) -> float:
    numbers, seconds = curve
    return seconds[bisect_left(numbers, number)]


def _curves(path: Path, column: str, operators: Sequence[str]) -> dict[str, Curve]:
    points: dict[str, dict[int, float]] = {name: {} for name in operators}
    for (name, number), seconds in _rows(path, ("layer", column)):
        if name in points:
            points[str(name)][int(number)] = seconds
    for name, of_operator in points.items():
        if not of_operator:
            raise InputError(str(path), f"has no row of the operator {name!r}")
    return {
        name: (sorted(of_operator), [of_operator[number] for number in sorted(of_operator)])
        for name, of_operator in points.items()
    }


def _rows(path: Path, keys: Sequence[str]) -> Iterator[tuple[tuple[int | str, ...], float]]:
    """Yield the key columns and the time in seconds of each row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [key for key in (*keys, "time_us") if key not in (reader.fieldnames or ())]
            if missing:
                raise InputError(str(path), f"has no column {missing[0]!r}")
            for row in reader:
                where = f"{path}: line {reader.line_num}"
                values = tuple(
                    row[key] if key == "layer" else _number(row[key], f"{where}: {key}")
                    for key in keys
                )
                yield values, _time(row["time_us"], f"{where}: time_us")
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise InputError(str(path), f"cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), "is not UTF-8 text") from error
    except csv.Error as error:
        raise InputError(str(path), f"is not CSV: {error}") from error


def _number(text: str | None, where: str) -> int:
    if text is None or not text.isdecimal() or len(text) > _MOST_DIGITS:
        shown = text if text is None else text[:20]
        most = 10**_MOST_DIGITS - 1
        raise InputError(where, f"must be a whole number from 0 to {most}, got {shown!r}")
    return int(text)


def _time(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = -1.0
    if not 0.0 < value < float("inf"):
        raise InputError(where, f"must be a finite number above 0, got {text!r}")
    return value * MICRO
