"""Where results come from, and how to make them again."""

from __future__ import annotations

from edgebatch.reporting.html.page import Section
from edgebatch.reporting.html.sweep.view import StudyView, axis_title, shown
from edgebatch.study.results import STUDY_FILE


def origin_section(view: StudyView) -> Section:
    """Return the section with versions, hashes, the command and the files that it needs."""
    results, study = view.results, view.results.study
    pairs = [
        ("edgebatch", results.version),
        ("Study, SHA-256", study.hash),
        ("Seeds", ", ".join(map(str, study.seeds))),
        ("Policies", ", ".join(study.policies)),
        *((axis_title(axis.key), ", ".join(map(shown, axis.values))) for axis in study.axes),
        *((f"SHA-256 of {name}", digest) for name, digest in study.files.items()),
    ]
    return Section(
        identity="scenario",
        title="Scenario and how to run it again",
        paragraphs=(
            "Save the listing as study.toml. The same version of edgebatch then gives the same "
            "results, byte for byte, on any machine that has the same files.",
        ),
        pairs=tuple(pairs),
        listings=(
            ("Run it again", "edgebatch sweep study.toml --output results"),
            ("study.toml", (results.folder / STUDY_FILE).read_text(encoding="utf-8")),
        ),
    )
