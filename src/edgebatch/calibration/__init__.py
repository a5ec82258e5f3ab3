"""Cost models fitted to measurements of real engines, and the profiles that hold them."""

from edgebatch.calibration.figures import errors_by, sample_figures, verdict
from edgebatch.calibration.fit import Estimate, Fit, fit_published, fit_samples
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.samples import (
    Kind,
    Member,
    Sample,
    batch_sample,
    decode_sample,
    prefill_sample,
)

__all__ = [
    "Estimate",
    "Fit",
    "Kind",
    "Member",
    "Profile",
    "Sample",
    "batch_sample",
    "decode_sample",
    "errors_by",
    "fit_published",
    "fit_samples",
    "prefill_sample",
    "sample_figures",
    "verdict",
]
