"""A run on a Dask cluster is judged by what came, not by what the future says later."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edgebatch.errors import EdgebatchError
from edgebatch.study.cluster import row_of

ADDRESS = "tcp://node:8786"
ROW = {"seed": 1}


@pytest.mark.parametrize("status", ["finished", "lost", "pending"])
def test_a_row_that_was_fetched_counts_even_if_its_worker_died_after_that(status: str) -> None:
    assert row_of(SimpleNamespace(status=status, key="run-1"), ROW, ADDRESS) is ROW


def test_a_run_that_was_called_off_means_that_the_cluster_is_gone() -> None:
    pytest.importorskip("distributed")
    from distributed import CancelledError

    with pytest.raises(EdgebatchError, match="tcp://node:8786: the cluster is gone"):
        row_of(SimpleNamespace(status="cancelled", key="run-1"), CancelledError(), ADDRESS)


def test_what_goes_wrong_in_a_run_is_raised_here() -> None:
    pytest.importorskip("distributed")
    told = (ValueError, ValueError("no such trace"), None)
    with pytest.raises(ValueError, match="no such trace"):
        row_of(SimpleNamespace(status="error", key="run-1"), told, ADDRESS)
