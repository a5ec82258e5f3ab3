"""Fairness between tenants: who may add to what runs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebatch.errors import InputError
from edgebatch.problem.checks import FloatArray, IntArray, require_number
from edgebatch.units import RELATIVE_TOLERANCE

BoolArray = npt.NDArray[np.bool_]


class TenantShares:
    """What each tenant may claim of the work that runs.

    Args:
        shares: one for each tenant, by number, above 0; only their ratios matter.

    Raises:
        InputError: a share is not above 0.
    """

    def __init__(self, shares: tuple[float, ...]) -> None:
        for tenant, share in enumerate(shares):
            require_number(f"shares[{tenant}]", share, exclusive=True)
        self._shares: FloatArray = np.array(shares)

    def check(self, tenant: int) -> None:
        """Raise InputError unless this tenant has a share."""
        if not 0 <= tenant < len(self._shares):
            raise InputError(
                "tenant", f"must be 0 to {len(self._shares) - 1}, who have shares, got {tenant}"
            )

    def running_work(self, tenants: IntArray, work_seconds: FloatArray) -> FloatArray:
        """Return how much runs of each tenant, from tenant and work of each member."""
        running: FloatArray = np.zeros(len(self._shares))
        np.add.at(running, tenants, work_seconds)
        return running

    def within_share(self, running: FloatArray) -> BoolArray:
        """Return which tenants have no more running than their share of all that runs."""
        fair = running.sum() * self._shares / self._shares.sum()
        within: BoolArray = running <= fair * (1.0 + RELATIVE_TOLERANCE)
        return within

    def may_add(self, running: FloatArray, waiting: IntArray) -> BoolArray:
        """Return which tenants may add to what they have running.

        All within their share; of the others those than whom nobody who waits has less running for
        its share.

        Args:
            running: work of each tenant, as :meth:`running_work` returns it.
            waiting: tenant of each request in the queue, at least one.
        """
        use = running / self._shares
        may: BoolArray = self.within_share(running) | (use <= use[waiting].min())
        return may
