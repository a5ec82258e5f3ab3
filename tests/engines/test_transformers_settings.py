"""What the transformers engine refuses before any model is loaded; needs neither torch nor it."""

import asyncio
import importlib.util
from pathlib import Path

import pytest

from edgebatch.engines.transformers import TransformersEngine, TransformersSettings
from edgebatch.errors import InputError, MissingExtraError, UnknownNameError

MODEL = Path("model")
HAS_TORCH = importlib.util.find_spec("torch") is not None


def test_settings_that_make_no_sense_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="threads: expected at least 1, got 0"):
        TransformersSettings(threads=0)
    with pytest.raises(InputError, match="max_batch: expected at least 1, got 0"):
        TransformersSettings(max_batch=0)
    with pytest.raises(UnknownNameError, match="dtype: unknown name 'fp16'; did you mean 'f16'"):
        TransformersSettings(dtype="fp16")
    with pytest.raises(UnknownNameError, match="device: unknown name 'GPU'"):
        TransformersSettings(device="GPU")
    with pytest.raises(InputError, match="start_timeout_seconds: must be a finite number above 0"):
        TransformersSettings(start_timeout_seconds=-1.0)


def test_a_precision_that_cannot_be_made_is_refused_at_once() -> None:
    with pytest.raises(UnknownNameError, match="precision: unknown name 'w16'"):
        TransformersEngine({"w16": MODEL})
    with pytest.raises(InputError, match="'w8' runs on the CPU only; on cuda expected bf16, f16"):
        TransformersEngine({"w8": MODEL}, TransformersSettings(device="cuda"))
    with pytest.raises(InputError, match="precision: expected at least one to host"):
        TransformersEngine({})


def test_one_folder_is_hosted_in_the_type_in_which_it_computes() -> None:
    assert TransformersEngine(MODEL).folders == {"bf16": MODEL}
    assert TransformersEngine(MODEL, TransformersSettings(dtype="f32")).folders == {"f32": MODEL}


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed")
def test_without_torch_it_says_what_to_install() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'edgebatch\[transformers\]'"):
        asyncio.run(TransformersEngine(MODEL).start())
