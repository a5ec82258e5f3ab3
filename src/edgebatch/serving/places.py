"""Places in the queue: how many there are, and who may still take one."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgebatch.serving.settings import GatewaySettings


class Places:
    """Places that anyone may take, and of each key its part even when others have filled them.

    A part is rounded down, but one place at least. So no key can lock the others out, and still
    only so many wait as there are places twice over, and one for each key.

    Args:
        settings: the queue's limit, and the keys with their shares.

    Attributes:
        most_waiting: most requests that can wait: one key has filled the queue, then all others
            come for their parts.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._num_places = settings.limits.queue
        shares = [key.share for key in settings.keys] or [1.0]
        all_shares = math.fsum(shares)
        self._parts = [max(1, int(self._num_places * share / all_shares)) for share in shares]
        self.most_waiting = self._num_places + sum(self._parts) - min(self._parts)

    def has_one(self, tenant: int, num_waiting: int, num_waiting_of: Callable[[int], int]) -> bool:
        """Return whether one more request of a tenant may wait.

        Args:
            tenant: whose it is.
            num_waiting: of everyone.
            num_waiting_of: tells it of one tenant.
        """
        return num_waiting < self._num_places or num_waiting_of(tenant) < self._parts[tenant]
