"""A scenario that can be worked out by hand."""

from __future__ import annotations

from typing import Any

from edgebatch.scenario import Scenario, overridden

CUSTOM: dict[str, Any] = {
    "name": "w16",
    "weight_bytes": 2.0,
    "kv_bytes": 2.0,
    "prefill_factor": 1.0,
    "decode_factor": 1.0,
    "quality": 1.0,
}

TOY: dict[str, Any] = {
    "seed": 3,
    "node": {"memory_bytes": 1e6, "flops": 16.0},
    "model": {"layers": 1, "hidden_size": 1, "ffn_size": 1, "heads": 1},
    "precisions": {"custom": [CUSTOM]},
    "workload": {
        "rate_per_second": 0.5,
        "num_requests": 40,
        "prompt_tokens": 1,
        "output_tokens": 1,
        "deadline_seconds": 4,
    },
}
"""A prompt of one token takes 16 FLOP, one second; its one output token comes with it.

The model has 6 parameters of 2 bytes and leaves 4 bytes a token in the cache.
"""


def toy(*settings: str) -> Scenario:
    """Return the scenario with keys overridden, as in ``workload.num_requests=5``."""
    return Scenario(overridden(TOY, settings))
