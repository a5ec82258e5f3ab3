"""Requests as seen at the instant of a decision, one by one and as columns (formulation §2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, IntArray, frozen_array, require_column


@dataclass(frozen=True, slots=True)
class Request:
    """One waiting request.

    Attributes:
        id: its name, unique within a problem.
        prompt_tokens: s_i ≥ 1.
        output_tokens: n_i ≥ 1, the limit of its answer.
        deadline_seconds: D_i, time left from now until the whole answer must have arrived.
        min_quality: a_i in [0, 1], least quality accepted; 0 accepts any.
        value: v_i > 0, worth of serving it in time.
        uplink_share: ρ_i^U, least share of the uplink that carries its prompt in the phase.
        downlink_share: ρ_i^D, the same for its answer.
    """

    id: str
    prompt_tokens: int
    output_tokens: int
    deadline_seconds: float
    min_quality: float = 0.0
    value: float = 1.0
    uplink_share: float = 0.0
    downlink_share: float = 0.0


_COLUMNS = tuple(field.name for field in fields(Request) if field.name != "id")
_INTEGER_COLUMNS = ("prompt_tokens", "output_tokens")


@dataclass(frozen=True, eq=False)
class Requests:
    """N waiting requests as read-only columns, oldest first.

    Attributes:
        ids: N distinct names.
        prompt_tokens, output_tokens: int64, shape (N,).
        deadline_seconds, min_quality, value, uplink_share, downlink_share: float64, shape (N,).
            A deadline may be infinite (no deadline) or negative (already missed).

    Raises:
        InputError: with the path of the first offending entry, such as
            ``requests[3].output_tokens``.
    """

    ids: tuple[str, ...]
    prompt_tokens: IntArray
    output_tokens: IntArray
    deadline_seconds: FloatArray
    min_quality: FloatArray
    value: FloatArray
    uplink_share: FloatArray
    downlink_share: FloatArray

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            given = np.asarray(getattr(self, name))
            if given.shape != (len(self.ids),):
                raise InputError(
                    f"requests.{name}", f"must have {len(self.ids)} entries, got {given.shape}"
                )
            if name in _INTEGER_COLUMNS:
                _require_whole(name, given)
            dtype = np.int64 if name in _INTEGER_COLUMNS else np.float64
            object.__setattr__(self, name, frozen_array(given, dtype))
        self._check_ranges()
        if len(set(self.ids)) != len(self.ids):
            self._raise_duplicate()

    def _check_ranges(self) -> None:
        limits: dict[str, dict[str, float]] = {
            "prompt_tokens": {"minimum": 1},
            "output_tokens": {"minimum": 1},
            "deadline_seconds": {"minimum": -math.inf},
            "min_quality": {"minimum": 0.0, "maximum": 1.0},
            "uplink_share": {"minimum": 0.0},
            "downlink_share": {"minimum": 0.0},
        }
        for name, limit in limits.items():
            require_column("requests", name, getattr(self, name), **limit)  # type: ignore[arg-type]
        require_column("requests", "value", self.value, minimum=0.0, exclusive=True)
        if not np.isfinite(self.value).all():
            index = int(np.argmin(np.isfinite(self.value)))
            raise InputError(f"requests[{index}].value", "must be finite, got inf")

    def _raise_duplicate(self) -> None:
        first: dict[str, int] = {}
        for index, name in enumerate(self.ids):
            if name in first:
                raise InputError(
                    f"requests[{index}].id",
                    f"must be unique, but {name!r} is also the id of requests[{first[name]}]",
                )
            first[name] = index

    @classmethod
    def from_list(cls, requests: Iterable[Request]) -> Requests:
        """Return the columns of single requests, in their order."""
        rows = list(requests)
        return cls(
            ids=tuple(row.id for row in rows),
            **{name: np.array([getattr(row, name) for row in rows]) for name in _COLUMNS},
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Request:
        return Request(
            id=self.ids[index],
            **{name: getattr(self, name)[index].item() for name in _COLUMNS},
        )

    def __iter__(self) -> Iterator[Request]:
        return (self[index] for index in range(len(self)))

    def take(self, indices: Sequence[int] | IntArray) -> Requests:
        """Return only the requests at ``indices``, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Requests(
            ids=tuple(self.ids[index] for index in chosen.tolist()),
            **{name: getattr(self, name)[chosen] for name in _COLUMNS},
        )


def _require_whole(field: str, given: npt.NDArray[Any]) -> None:
    """Raise InputError if a column has a float that is no whole number; a cast would cut it off."""
    if given.dtype.kind != "f":
        return
    bad = ~np.isfinite(given) | (given != np.floor(given))
    if bad.any():
        index = int(np.argmax(bad))
        raise InputError(
            f"requests[{index}].{field}",
            f"must be a whole number of at least 1, got {given[index].item()!r}",
        )


@dataclass(frozen=True, slots=True)
class Committed:
    """A request of the running batch (formulation §5, work in flight).

    Attributes:
        context_tokens: tokens in its cache now, prompt and output so far; ≥ 1.
        remaining_tokens: R_j, output tokens still to come; ≥ 1.
        deadline_seconds: time left until its whole answer must have arrived.
    """

    context_tokens: int
    remaining_tokens: int
    deadline_seconds: float


@dataclass(frozen=True, slots=True)
class InFlight:
    """The running batch that new requests would join.

    Attributes:
        precision: name of the precision in which it runs; joiners run in the same.
        committed: its members, whose deadlines no admission may break.
    """

    precision: str
    committed: tuple[Committed, ...]

    def __post_init__(self) -> None:
        for index, member in enumerate(self.committed):
            for field in ("context_tokens", "remaining_tokens"):
                if getattr(member, field) < 1:
                    raise InputError(
                        f"in_flight.committed[{index}].{field}",
                        f"must be at least 1, got {getattr(member, field)!r}",
                    )
            if math.isnan(member.deadline_seconds):
                raise InputError(
                    f"in_flight.committed[{index}].deadline_seconds", "must be a number, got nan"
                )
