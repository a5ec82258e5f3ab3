"""A radio cell as data: what is where, how strong and how wide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from edgebatch.errors import InputError
from edgebatch.radio.pathloss import PATH_LOSSES, Geometry, PathLoss
from edgebatch.registry import lookup
from edgebatch.units import GIGA, MEGA

_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "carrier_hz": (0.5 * GIGA, 100.0 * GIGA),
        "uplink_hz": (1.0, math.inf),
        "downlink_hz": (1.0, math.inf),
        "min_distance_m": (10.0, 5000.0),
        "cell_radius_m": (10.0, 5000.0),
        "base_height_m": (1.5, 150.0),
        "user_height_m": (1.5, 13.0),
        "user_power_dbm": (-100.0, 100.0),
        "base_power_dbm": (-100.0, 100.0),
        "user_noise_figure_db": (0.0, 100.0),
        "base_noise_figure_db": (0.0, 100.0),
        "bits_per_token": (0.0, math.inf),
        "block_seconds": (1e-9, math.inf),
    }
)
"""Least and greatest value of each number; for the path loss, what TR 38.901 is made for."""


@dataclass(frozen=True, slots=True)
class RadioScenario:
    """One cell and its users; the defaults are those of the evaluation (formulation §8, ours).

    Attributes:
        name: what people call it.
        path_loss: ``umi``, ``uma`` or ``urban-macro`` (:data:`PATH_LOSSES`).
        carrier_hz: centre frequency, 0.5 to 100 GHz.
        uplink_hz, downlink_hz: bandwidths.
        min_distance_m, cell_radius_m: users are uniform on the ring between, 10 m to 5 km.
        base_height_m, user_height_m: antenna heights; users 1.5 to 13 m.
        user_power_dbm, base_power_dbm: transmit powers, spread over the whole band.
        user_noise_figure_db, base_noise_figure_db: of the receivers, down and up.
        bits_per_token: what a token takes on the radio, either way.
        block_seconds: coherence time, for which fading keeps its value.
        shadowing: whether users differ by lognormal shadowing.

    Raises:
        InputError: a number is out of its range, or the path loss is unknown.
    """

    name: str = "umi"
    path_loss: str = "umi"
    carrier_hz: float = 3.5 * GIGA
    uplink_hz: float = 20.0 * MEGA
    downlink_hz: float = 20.0 * MEGA
    min_distance_m: float = 10.0
    cell_radius_m: float = 200.0
    base_height_m: float = 10.0
    user_height_m: float = 1.5
    user_power_dbm: float = 23.0
    base_power_dbm: float = 30.0
    user_noise_figure_db: float = 9.0
    base_noise_figure_db: float = 5.0
    bits_per_token: float = 32.0
    block_seconds: float = 0.25
    shadowing: bool = True

    def __post_init__(self) -> None:
        for field, (least, greatest) in _RANGES.items():
            value = getattr(self, field)
            if not (least <= value <= greatest and math.isfinite(value)):
                limit = f" and at most {greatest:g}" if math.isfinite(greatest) else ""
                raise InputError(
                    f"radio.{field}", f"must be finite, at least {least:g}{limit}, got {value!r}"
                )
        if self.cell_radius_m <= self.min_distance_m:
            raise InputError(
                "radio.cell_radius_m",
                f"must be above radio.min_distance_m, {self.min_distance_m:g}, "
                f"got {self.cell_radius_m!r}",
            )
        lookup(PATH_LOSSES, self.path_loss, "radio.path_loss")

    @property
    def geometry(self) -> Geometry:
        """Frequency and antenna heights."""
        return Geometry(self.carrier_hz, self.base_height_m, self.user_height_m)

    @property
    def law(self) -> PathLoss:
        """The law that ``path_loss`` names."""
        return lookup(PATH_LOSSES, self.path_loss, "radio.path_loss")

    def block(self, at_seconds: float) -> int:
        """Return the number of the fading block at a time ≥ 0, counted from 0."""
        return math.floor(at_seconds / self.block_seconds)

    def replace(self, **changes: object) -> RadioScenario:
        """Return a copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


_MACRO_POWER_DBM = 46.0


def radio_scenarios() -> Mapping[str, RadioScenario]:
    """Return every named scenario.

    ``umi`` is that of the evaluation; ``umi-1.4MHz`` the same on the narrowest LTE band, where the
    radio binds. ``uma`` and ``urban-macro`` are larger cells with macro base stations of 46 dBm,
    the second at 2 GHz, for which its path loss was fitted. The cell sizes are ours.
    """
    umi = RadioScenario()
    uma = umi.replace(
        name="uma",
        path_loss="uma",
        cell_radius_m=500.0,
        min_distance_m=35.0,
        base_height_m=25.0,
        base_power_dbm=_MACRO_POWER_DBM,
    )
    narrow = umi.replace(name="umi-1.4MHz", uplink_hz=1.4 * MEGA, downlink_hz=1.4 * MEGA)
    macro = uma.replace(name="urban-macro", path_loss="urban-macro", carrier_hz=2.0 * GIGA)
    return MappingProxyType({scenario.name: scenario for scenario in (umi, uma, narrow, macro)})


def radio_scenario(name: str, path: str = "radio.scenario") -> RadioScenario:
    """Return the scenario called ``name``, ignoring case.

    Raises:
        UnknownNameError: at ``path``; none is called so.
    """
    return lookup(radio_scenarios(), name, path)
