"""Hypothesis profiles: ``fast`` by default, more with ``HYPOTHESIS_PROFILE=thorough``."""

import os
import signal

from hypothesis import settings

settings.register_profile("fast", max_examples=50, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what runs in the background so, and whatever is started from there inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)
