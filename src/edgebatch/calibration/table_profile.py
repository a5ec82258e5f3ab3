"""What was fitted to operator tables, as a profile to plan and schedule with."""

from __future__ import annotations

import re
from pathlib import Path

from edgebatch import __version__
from edgebatch.calibration.fidelity import Fidelity
from edgebatch.calibration.figures import sample_figures, verdict
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.profile_schema import FitFigures, Machine, Source

_SETTINGS = ("cuda_version", "variant", "profiler_version")


def profile_of_tables(fidelity: Fidelity, folder: Path) -> Profile:
    """Return the profile of a machine that is known by operator tables.

    Engine and date are those of ``meta.yaml`` beside the tables, where there is one.
    """
    fit, said = fidelity.ours, _meta(folder / "meta.yaml")
    figures = FitFigures(
        in_sample=fit.errors(fidelity.fitted),
        held_out=fit.errors(fidelity.held_out),
        published=fidelity.published.errors(fidelity.held_out),
    )
    name = said.get("gpu") or fit.node.name or "unknown"
    return Profile(
        source=Source(
            engine="vllm" if "vllm_version" in said else "unknown",
            engine_version=said.get("vllm_version", ""),
            model=fit.model.name or "unknown",
            machine=Machine(processor=name, accelerator=name),
            date=said.get("profiled_at", "unknown")[:10],
            edgebatch_version=__version__,
            settings={key: said[key] for key in _SETTINGS if key in said},
            notes=f"fitted to passes put together of the operator tables in {folder.name}",
        ),
        node=fit.node.replace(name=name),
        model=fit.model,
        precisions=fit.precisions,
        quality_measure="assumed",
        fit=figures,
        verdict=verdict(figures),
        samples=sample_figures((*fidelity.fitted, *fidelity.held_out)),
    )


def _meta(path: Path) -> dict[str, str]:
    """Return the plain values at the top level of a YAML file; empty if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = re.findall(r"^(\w+): *([^\[\s].*)$", text, re.MULTILINE)
    return {key: value.strip().strip("'\"") for key, value in pairs}
