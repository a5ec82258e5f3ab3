"""Who may ask: API keys, kept as hashes and compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from edgebatch.serving.refusals import Refusal
from edgebatch.serving.settings import Key


def hash_key(key: str) -> str:
    """Return what settings keep of a key: its SHA-256, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """The keys of a gateway; without any, everyone may ask and is the same tenant.

    Args:
        keys: who may ask.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = tuple(keys)

    def tenant(self, authorization: str | None) -> int:
        """Return the number of whoever asks.

        Args:
            authorization: the header's value.

        Raises:
            Refusal: 401, there are keys and this is none of them.
        """
        if not self.keys:
            return 0
        scheme, _, key = (authorization or "").partition(" ")
        given = hash_key(key.strip()) if scheme.lower() == "bearer" else ""
        found = None
        for number, each in enumerate(self.keys):  # all of them, so that time tells nothing
            if hmac.compare_digest(given, each.sha256):
                found = number
        if found is None:
            raise Refusal(
                401,
                "a valid API key is needed: send it as 'Authorization: Bearer KEY'",
                code="invalid_api_key",
                kind="authentication_error",
            )
        return found

    def name(self, tenant: int) -> str:
        """Return the name of a tenant, for logs and metrics."""
        return self.keys[tenant].name if self.keys else "anyone"
