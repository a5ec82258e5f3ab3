"""What is said of an engine, rather than measured on it."""

from __future__ import annotations

from dataclasses import dataclass

from edgebatch.calibration.profile_schema import Machine


@dataclass(frozen=True, slots=True)
class Declared:
    """What a profile owes to somebody's word.

    Attributes:
        machine: on which the engine runs; None for this one.
        notes: which of the profile's figures were not measured, and whose word they are.
        caveat: the same in a sentence, for the verdict; empty if there is nothing to say.
    """

    machine: Machine | None = None
    notes: str = ""
    caveat: str = ""


NOTHING_DECLARED = Declared()
"""All is measured."""
