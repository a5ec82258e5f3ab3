"""Streams depend on seed and name, and on nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgebatch.errors import InputError
from edgebatch.workload import Stream, Streams, generator_for


def test_equal_seed_and_name_give_the_same_stream() -> None:
    assert generator_for(1, "deadline").random() == generator_for(1, "deadline").random()


def test_different_seeds_or_names_give_different_streams() -> None:
    first = [generator_for(seed, name).random() for seed in range(5) for name in Stream]
    assert len(set(first)) == 5 * len(Stream)


def test_drawing_from_one_stream_leaves_the_others_as_they_were() -> None:
    disturbed = Streams(1)
    disturbed[Stream.VALUE].random(1000)
    assert disturbed[Stream.DEADLINE].random() == Streams(1)[Stream.DEADLINE].random()


def test_a_stream_goes_on_where_it_was() -> None:
    streams = Streams(1)
    pieces = [streams["value"].random(), streams["value"].random()]
    assert pieces == generator_for(1, "value").random(2).tolist()


def test_streams_are_the_same_in_every_process() -> None:
    program = "from edgebatch.workload import generator_for; print(generator_for(1, 'x').random())"
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert float(told) == generator_for(1, "x").random()


@pytest.mark.parametrize("seed", [-1, True, 1.5])
def test_a_seed_is_a_whole_number_of_at_least_0(seed: int) -> None:
    with pytest.raises(InputError, match="seed: must be a whole number of at least 0"):
        generator_for(seed, "x")
