"""What batches cost and whether they are feasible (formulation §3 and §5)."""

from edgebatch.cost.batch_cost import BatchCost, batch_costs, hosted_bytes, require_hostable
from edgebatch.cost.evaluate import (
    Budget,
    Evaluation,
    Violation,
    batch_seconds,
    effective_lengths,
    end_seconds,
    evaluate,
    spectrum_shares,
)
from edgebatch.cost.formulas import (
    attention_flops,
    decode_flops,
    kv_bytes_per_token,
    linear_flops,
    prefill_flops,
    weight_bytes,
)
from edgebatch.cost.pace import paced

__all__ = [
    "BatchCost",
    "Budget",
    "Evaluation",
    "Violation",
    "attention_flops",
    "batch_costs",
    "batch_seconds",
    "decode_flops",
    "effective_lengths",
    "end_seconds",
    "evaluate",
    "hosted_bytes",
    "kv_bytes_per_token",
    "linear_flops",
    "paced",
    "prefill_flops",
    "require_hostable",
    "spectrum_shares",
    "weight_bytes",
]
