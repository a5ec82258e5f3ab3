"""How well the cost model tells the times of a real machine that it was not fitted to.

The machine is a set of operator tables. Of them are put together passes over a grid of batch sizes
and contexts; the model is fitted to half of the sizes and half of the lengths, the least and the
most always among them and the others drawn, and predicts everything else: passes in which any
coordinate is new, and whole batches, of which none are fitted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from edgebatch.calibration.fit import Fit, fit_published, fit_samples
from edgebatch.calibration.operator_tables import OperatorTables
from edgebatch.calibration.samples import (
    Kind,
    Member,
    Sample,
    batch_sample,
    decode_sample,
    prefill_sample,
)
from edgebatch.cost import hosted_bytes, kv_bytes_per_token, require_hostable
from edgebatch.errors import InputError
from edgebatch.problem import Model, Node, Precision

OUTPUTS = (32, 128, 512)
"""Answers of the whole batches."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """A machine, the part of it that was fitted, and the rest.

    Attributes:
        fitted: samples that the forms were fitted to.
        held_out: samples that they were not.
        ours: the cost model.
        published: the form without memory traffic and overheads, one rate for all arithmetic.
    """

    fitted: tuple[Sample, ...]
    held_out: tuple[Sample, ...]
    ours: Fit
    published: Fit


def measure_fidelity(
    tables: OperatorTables, node: Node, model: Model, precision: Precision, seed: int
) -> Fidelity:
    """Return how well both forms, fitted to a part of a machine's times, tell the rest.

    Args:
        tables: the machine's times.
        node: gives the memory: batches for whose cache there is no room are left out.
        model: what was measured.
        precision: gives name and bytes.
        seed: draws the part that is fitted.

    Raises:
        InputError: the tables hold too little to fit to.
        CannotHostError: there is no room for the weights.
        MissingExtraError: scipy is not installed.
    """
    require_hostable(node, model, [precision])
    room = node.memory_bytes - hosted_bytes(node, model, [precision])
    most_tokens = room / kv_bytes_per_token(model, precision)
    passes = [sample for sample in _passes(tables, precision.name) if _fits(sample, most_tokens)]
    batches = [sample for sample in _batches(tables, precision.name) if _fits(sample, most_tokens)]
    known = _halves(passes, random.Random(seed))
    fitted = tuple(sample for sample in passes if _coordinates(sample) <= known)
    held_out = [sample for sample in passes if not _coordinates(sample) <= known]
    if {sample.kind for sample in fitted} != {Kind.PREFILL, Kind.DECODE} or not held_out:
        raise InputError("tables", "hold too few batch sizes and contexts that fit the memory")
    weights = _alike_by_group(fitted)
    return Fidelity(
        fitted=fitted,
        held_out=(*held_out, *batches),
        ours=fit_samples(fitted, node, model, [precision], weights),
        published=fit_published(fitted, node, model, [precision], weights),
    )


def group(sample: Sample) -> str:
    """Return what sort of sample it is, as a reader would call it."""
    if sample.kind is Kind.BATCH:
        return "whole batch"
    if sample.kind is Kind.DECODE:
        return "decode"
    return "prefill" if all(member.joins for member in sample.members) else "prefill and decode"


def batch_size(sample: Sample) -> int:
    """Return how many members decode, or how many prompts are read if none do."""
    decoding = sum(not member.joins for member in sample.members)
    return decoding or sample.size


def _coordinates(sample: Sample) -> frozenset[tuple[str, int]]:
    """Return where on the grid a pass lies: its size, and its members' lengths."""
    lengths = {
        ("prompt" if member.joins else "context", member.tokens) for member in sample.members
    }
    return frozenset(lengths | {("members", batch_size(sample))})


def _passes(tables: OperatorTables, precision: str) -> Iterator[Sample]:
    """Yield the passes that the tables hold, and those that read several equal prompts."""
    most, members = tables.most_tokens, tables.most_sequences
    for (prompt, decoding, context), seconds in sorted(tables.attention.items()):
        sequences = decoding + (prompt > 0)
        if not 1 <= sequences <= members or prompt + decoding > most:
            continue
        total = tables.pass_seconds(prompt + decoding, sequences, seconds)
        contexts = [context] * decoding
        if not prompt:
            yield decode_sample(precision, contexts, total)
        else:
            yield prefill_sample(precision, [prompt], total, contexts)
    for prompt, joining in product(_prompts(tables), _sizes(tables)):
        if joining > 1 and prompt * joining <= most:
            seconds = joining * tables.attention[prompt, 0, 0]
            total = tables.pass_seconds(prompt * joining, joining, seconds)
            yield prefill_sample(precision, [prompt] * joining, total)


def _batches(tables: OperatorTables, precision: str) -> Iterator[Sample]:
    for members, prompt, output in product(_sizes(tables), _prompts(tables), OUTPUTS):
        contexts, _ = tables.decode_attention_seconds(members)
        measured = contexts[0] <= prompt + 1 and prompt + output <= contexts[-1]
        if measured and members * prompt <= tables.most_tokens:
            seconds = tables.batch_seconds(members, prompt, output)
            yield batch_sample(precision, [prompt] * members, [output] * members, seconds)


def _prompts(tables: OperatorTables) -> list[int]:
    alone = (prompt for prompt, members, context in tables.attention if not (members or context))
    return sorted(prompt for prompt in alone if prompt)


def _sizes(tables: OperatorTables) -> list[int]:
    """Return the numbers of members whose decoding was measured, without others' prompts."""
    measured = {members for prompt, members, _ in tables.attention if members and not prompt}
    return sorted(size for size in measured if size <= tables.most_sequences)


def _fits(sample: Sample, most_tokens: float) -> bool:
    return sum(_tokens(member) for member in sample.members) <= most_tokens


def _tokens(member: Member) -> int:
    return member.tokens + member.passes


def _halves(samples: Sequence[Sample], generator: random.Random) -> frozenset[tuple[str, int]]:
    """Return half of the levels of each coordinate, its least and its most among them."""
    chosen: set[tuple[str, int]] = set()
    everywhere = sorted(set().union(*(_coordinates(sample) for sample in samples)))
    for name in ("members", "prompt", "context"):
        levels = [level for level in everywhere if level[0] == name]
        within, more = levels[1:-1], (len(levels) + 1) // 2 - 2
        chosen.update(levels[:1], levels[-1:], generator.sample(within, max(0, more)))
    return frozenset(chosen)


def _alike_by_group(samples: Sequence[Sample]) -> list[float]:
    """Return weights that let each sort of pass count alike, however many there are of it."""
    groups = [group(sample) for sample in samples]
    return [len(samples) / groups.count(each) for each in groups]
