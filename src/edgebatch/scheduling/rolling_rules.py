"""The knobs of the rolling admission."""

from __future__ import annotations

from dataclasses import dataclass

from edgebatch.errors import InputError
from edgebatch.problem.checks import require_number


@dataclass(frozen=True, slots=True)
class RollingRules:
    """Knobs of the rolling admission.

    Attributes:
        precision: name of the one precision that is hosted and runs; None means the one of the
            highest quality.
        batch_cap: most requests that run at once; None leaves it to hosting, time and memory.
        reserve: κ, slack that a joiner must bring as a multiple of its duration; None adapts it.
        safety: margin on all believed times, as a multiple of how much they were seen to scatter
            and of what late answers have added to that.
        ageing: how much a request gains in rank while it waits: by the time that it has used up its
            deadline its value counts 1 + ageing times.
        shares: of each tenant, by number, in any unit: nobody who has more running than its share
            gets more while someone waits who has less; who has no more than that pays any price.
            Empty: tenants are not looked at.

    Raises:
        InputError: a number is out of its range.
    """

    precision: str | None = None
    batch_cap: int | None = None
    reserve: float | None = None
    safety: float = 1.0
    ageing: float = 0.0
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.batch_cap is not None and self.batch_cap < 1:
            raise InputError("batch_cap", f"must be at least 1, got {self.batch_cap}")
        for name in ("reserve", "safety", "ageing"):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name))
