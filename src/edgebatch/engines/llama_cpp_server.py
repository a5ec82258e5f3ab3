"""The child process that runs llama.cpp's server for one model file.

It sends the server's address once the model is loaded. If it cannot be, llama.cpp says why on
standard error and the process ends.
"""

from __future__ import annotations

import sys
from typing import Any

from edgebatch.engines.llama_cpp_settings import ServerOrder
from edgebatch.engines.parent_link import ParentLink

_ERRORS_AND_WARNINGS = 2


def main() -> None:
    """Serve until the parent has enough."""
    link = ParentLink()
    order = link.receive()
    assert isinstance(order, ServerOrder)
    import xllamacpp

    try:
        server = xllamacpp.Server(parameters(xllamacpp, order))
    except RuntimeError:
        sys.exit(1)
    link.send(server.listening_address)
    link.receive()


def parameters(xllamacpp: Any, order: ServerOrder) -> Any:
    """Return llama.cpp's parameters for what is ordered."""
    settings = order.settings
    wanted = xllamacpp.CommonParams()
    wanted.model.path = order.path
    wanted.api_keys = [order.api_key]
    wanted.port = 0  # the server chooses one that is free
    wanted.n_parallel = settings.slots
    wanted.n_ctx = settings.slots * settings.context_tokens
    wanted.n_batch = settings.batch_tokens
    wanted.n_ubatch = settings.ubatch_tokens
    wanted.cont_batching = settings.continuous_batching
    wanted.verbosity = _ERRORS_AND_WARNINGS
    if settings.threads is not None:
        wanted.cpuparams.n_threads = settings.threads
        wanted.cpuparams_batch.n_threads = settings.threads
    if settings.flash_attention is not None:
        kinds = xllamacpp.llama_flash_attn_type
        on, off = kinds.LLAMA_FLASH_ATTN_TYPE_ENABLED, kinds.LLAMA_FLASH_ATTN_TYPE_DISABLED
        wanted.flash_attn_type = on if settings.flash_attention else off
    # each stream holds a thread, and questions to the tokenizer must not wait for them
    wanted.n_threads_http = 2 * settings.slots + 8
    # what would quietly shrink the context, or make a prompt cheaper for having been seen
    wanted.fit_params = False
    wanted.cache_ram_mib = 0
    wanted.cache_idle_slots = False
    wanted.slot_prompt_similarity = 0.0
    wanted.ui = False
    wanted.endpoint_metrics = True
    wanted.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
    return wanted


if __name__ == "__main__":
    main()
