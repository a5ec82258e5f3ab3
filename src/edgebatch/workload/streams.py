"""One random stream for each purpose, so that changing one leaves the others as they were."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import numpy as np

from edgebatch.errors import InputError


class Stream(StrEnum):
    """The streams that workloads draw from."""

    ARRIVALS = "arrivals"
    PROMPT_TOKENS = "prompt_tokens"
    OUTPUT_TOKENS = "output_tokens"
    ACTUAL_OUTPUT_TOKENS = "actual_output_tokens"
    DEADLINE = "deadline"
    MIN_QUALITY = "min_quality"
    VALUE = "value"
    PROMPT_BITS = "prompt_bits"
    TENANT = "tenant"
    TTFT = "ttft"
    TRACE_ROWS = "trace_rows"


def generator_for(seed: int, name: str) -> np.random.Generator:
    """Return the generator of stream ``name`` under ``seed``.

    The name enters as a digest of its letters, so a stream depends neither on which others exist
    nor on the order in which they are opened, nor on the process (unlike ``hash()``).

    Raises:
        InputError: the seed is not a whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError("seed", f"must be a whole number of at least 0, got {seed!r}")
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    sequence = np.random.SeedSequence(seed, spawn_key=(int.from_bytes(digest, "little"),))
    return np.random.Generator(np.random.PCG64(sequence))


class Streams:
    """The streams of one run over a workload, each opened when first asked for."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[str, np.random.Generator] = {}

    def __getitem__(self, name: str) -> np.random.Generator:
        if name not in self._generators:
            self._generators[name] = generator_for(self._seed, name)
        return self._generators[name]
