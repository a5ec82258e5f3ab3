"""Random numbers that are functions of (seed, stream, block, request number).

Nothing is drawn in sequence, so what one policy does to a request cannot change the channel of
another, and every policy under comparison meets the same one.

The hash is SplitMix64: its n-th output is a finaliser of (key + n·γ), which makes it a generator
that can be entered at any n. Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014; the finaliser's constants are Stafford's variant 13, γ is the odd integer
nearest to 2^64 over the golden ratio.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_MULTIPLIER = np.uint64(0x94D049BB133111EB)


def stream_key(seed: int, stream: int, block: int = 0) -> np.uint64:
    """Return the key of one stream in one block; keys of any two of them are unrelated.

    Args:
        seed: at least 0, of any size.
        stream: which stream, at least 0.
        block: which block of time, at least 0.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(stream, block))
    return np.uint64(sequence.generate_state(1, np.uint64)[0])


def hashes(key: np.uint64, counters: IntArray) -> npt.NDArray[np.uint64]:
    """Return output number ``counters + 1`` of the SplitMix64 generator that starts at ``key``.

    Args:
        key: the generator's state.
        counters: int64, any shape; at least 0.
    """
    state = counters.astype(np.uint64)
    state += np.uint64(1)
    state *= _GAMMA
    state += key
    state ^= state >> np.uint64(30)
    state *= _FIRST_MULTIPLIER
    state ^= state >> np.uint64(27)
    state *= _SECOND_MULTIPLIER
    state ^= state >> np.uint64(31)
    return state


def uniforms(key: np.uint64, counters: IntArray) -> FloatArray:
    """Return numbers uniform on the open interval (0, 1), one for each counter.

    They are odd multiples of 2^-53, hence never 0 or 1, whose logarithms nobody wants.
    """
    cells: FloatArray = (hashes(key, counters) >> np.uint64(12)).astype(np.float64)
    return (cells + 0.5) * 2.0**-52


def exponentials(key: np.uint64, counters: IntArray) -> FloatArray:
    """Return numbers of the exponential distribution of mean 1, all above 0 and below 37."""
    return -np.log(uniforms(key, counters))


def normals(key: np.uint64, counters: IntArray) -> FloatArray:
    """Return numbers of the standard normal distribution (Box and Muller 1958)."""
    radius = np.sqrt(2.0 * exponentials(key, 2 * counters))
    angle: FloatArray = 2.0 * np.pi * uniforms(key, 2 * counters + 1)
    return radius * np.cos(angle)
