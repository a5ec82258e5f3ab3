"""Path loss between a base station and a user on the ground.

Street canyon (UMi) and macro (UMa) follow 3GPP TR 38.901, table 7.4.1-1 (loss, shadowing) and
table 7.4.2-1 (probability of line of sight), for outdoor users below 13 m, 10 m to 5 km away. The
simple macro law is that of 3GPP TR 36.814, table A.2.1.1-2. Distances are in metres, horizontal
unless called 3D; losses in dB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgebatch.radio.counter import FloatArray
from edgebatch.units import GIGA

BoolArray = npt.NDArray[np.bool_]

_LIGHT_M_PER_S = 3.0e8
"""As TR 38.901 rounds it."""
_ENVIRONMENT_HEIGHT_M = 1.0
"""h_E, effective height of the surroundings for users below 13 m."""
_REFERENCE_USER_HEIGHT_M = 1.5
_ALWAYS_VISIBLE_M = 18.0
"""Up to here there is always a line of sight."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a link has apart from its distance.

    Attributes:
        carrier_hz: centre frequency.
        base_height_m, user_height_m: antenna heights above ground.
    """

    carrier_hz: float
    base_height_m: float
    user_height_m: float

    def distance_3d_m(self, distance_m: FloatArray) -> FloatArray:
        """Return the distances between the antennas at horizontal distances."""
        return np.hypot(distance_m, self.base_height_m - self.user_height_m)

    @property
    def breakpoint_m(self) -> float:
        """d'_BP = 4·(h_BS − h_E)·(h_UT − h_E)·f_c/c, where the loss begins to grow faster."""
        heights = (self.base_height_m - _ENVIRONMENT_HEIGHT_M) * (
            self.user_height_m - _ENVIRONMENT_HEIGHT_M
        )
        return 4.0 * heights * self.carrier_hz / _LIGHT_M_PER_S


class PathLoss(Protocol):
    """A law of path loss; all arrays have the shape of ``distance_m``."""

    def line_of_sight_probability(self, distance_m: FloatArray) -> FloatArray:
        """Return how likely each user is in line of sight."""
        ...

    def loss_db(
        self, geometry: Geometry, distance_m: FloatArray, line_of_sight: BoolArray, /
    ) -> FloatArray:
        """Return the mean loss, shadowing left out, dB."""
        ...

    def shadowing_db(self, line_of_sight: BoolArray) -> FloatArray:
        """Return the standard deviation of lognormal shadowing, dB."""
        ...


@dataclass(frozen=True, slots=True)
class Urban38901:
    """UMi and UMa of TR 38.901, which differ in constants only; f_c in GHz, d in m, log is log10.

    Line of sight: intercept + slope·log d_3D + 20·log f_c up to the breakpoint, then
    intercept + 40·log d_3D + 20·log f_c − correction·log(d'_BP² + (h_BS − h_UT)²).
    None: the greater of that and
    intercept + slope·log d_3D + frequency·log f_c − height·(h_UT − 1.5).

    Attributes:
        los_intercept_db, los_slope_db, los_correction_db: of the line-of-sight law.
        nlos_intercept_db, nlos_slope_db, nlos_frequency_db, nlos_height_db: of the other.
        los_shadowing_db, nlos_shadowing_db: standard deviations of shadowing.
        visibility_m: scale over which lines of sight get lost.
    """

    los_intercept_db: float
    los_slope_db: float
    los_correction_db: float
    nlos_intercept_db: float
    nlos_slope_db: float
    nlos_frequency_db: float
    nlos_height_db: float
    los_shadowing_db: float
    nlos_shadowing_db: float
    visibility_m: float

    def line_of_sight_probability(self, distance_m: FloatArray) -> FloatArray:
        """1 up to 18 m, then 18/d + exp(−d/visibility)·(1 − 18/d)."""
        near = np.minimum(1.0, _ALWAYS_VISIBLE_M / distance_m)
        return near + np.exp(-distance_m / self.visibility_m) * (1.0 - near)

    def loss_db(
        self, geometry: Geometry, distance_m: FloatArray, line_of_sight: BoolArray
    ) -> FloatArray:
        """Return the loss of the class's formulas, dB."""
        visible = self._visible_db(geometry, distance_m)
        hidden = np.maximum(visible, self._hidden_db(geometry, distance_m))
        return np.where(line_of_sight, visible, hidden)

    def _visible_db(self, geometry: Geometry, distance_m: FloatArray) -> FloatArray:
        log_distance = np.log10(geometry.distance_3d_m(distance_m))
        height = geometry.base_height_m - geometry.user_height_m
        near = self.los_slope_db * log_distance
        far = 40.0 * log_distance - self.los_correction_db * math.log10(
            geometry.breakpoint_m**2 + height**2
        )
        rest = self.los_intercept_db + 20.0 * math.log10(geometry.carrier_hz / GIGA)
        return rest + np.where(distance_m < geometry.breakpoint_m, near, far)

    def _hidden_db(self, geometry: Geometry, distance_m: FloatArray) -> FloatArray:
        raised_m = geometry.user_height_m - _REFERENCE_USER_HEIGHT_M
        rest = (
            self.nlos_intercept_db
            + self.nlos_frequency_db * math.log10(geometry.carrier_hz / GIGA)
            - self.nlos_height_db * raised_m
        )
        return rest + self.nlos_slope_db * np.log10(geometry.distance_3d_m(distance_m))

    def shadowing_db(self, line_of_sight: BoolArray) -> FloatArray:
        """Return the standard deviation of lognormal shadowing, dB."""
        return np.where(line_of_sight, self.los_shadowing_db, self.nlos_shadowing_db)


@dataclass(frozen=True, slots=True)
class DistanceLaw:
    """128.1 + 37.6·log10(d/km) and the like: never in line of sight, fitted to one frequency.

    Attributes:
        loss_at_1_km_db: the intercept.
        slope_db: loss of ten times the distance.
        sigma_db: standard deviation of shadowing.
    """

    loss_at_1_km_db: float
    slope_db: float
    sigma_db: float

    def line_of_sight_probability(self, distance_m: FloatArray) -> FloatArray:
        """Return zeros: the law averages over what can be seen."""
        return np.zeros_like(distance_m)

    def loss_db(
        self, _geometry: Geometry, distance_m: FloatArray, _line_of_sight: BoolArray, /
    ) -> FloatArray:
        """Return the loss, which depends on the distance alone, dB."""
        return self.loss_at_1_km_db + self.slope_db * np.log10(distance_m / 1000.0)

    def shadowing_db(self, line_of_sight: BoolArray) -> FloatArray:
        """Return the standard deviation of lognormal shadowing, dB."""
        return np.full(line_of_sight.shape, self.sigma_db)


UMI_STREET_CANYON = Urban38901(
    los_intercept_db=32.4,
    los_slope_db=21.0,
    los_correction_db=9.5,
    nlos_intercept_db=22.4,
    nlos_slope_db=35.3,
    nlos_frequency_db=21.3,
    nlos_height_db=0.3,
    los_shadowing_db=4.0,
    nlos_shadowing_db=7.82,
    visibility_m=36.0,
)
UMA = Urban38901(
    los_intercept_db=28.0,
    los_slope_db=22.0,
    los_correction_db=9.0,
    nlos_intercept_db=13.54,
    nlos_slope_db=39.08,
    nlos_frequency_db=20.0,
    nlos_height_db=0.6,
    los_shadowing_db=4.0,
    nlos_shadowing_db=6.0,
    visibility_m=63.0,
)
URBAN_MACRO = DistanceLaw(loss_at_1_km_db=128.1, slope_db=37.6, sigma_db=8.0)

PATH_LOSSES: Mapping[str, PathLoss] = MappingProxyType(
    {"umi": UMI_STREET_CANYON, "uma": UMA, "urban-macro": URBAN_MACRO}
)
