"""Text that comes with Python, without repetitions, and a part of it held out.

Documents are the topics of ``pydoc``, the docstrings of the standard library's source and of its
built-in modules, and the licence. A paragraph that occurs twice is kept once, so that nothing held
out can have been read in training under another name; lines too, where the two parts share them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

HELD_OUT_BYTES = 80_000
LONGEST_HELD_OUT = 8_000
SHORTEST_DOCUMENT = 60
SHORTEST_SHARED_LINE = 30
LEFT_OUT_FOLDERS = {"test", "tests", "idle_test", "lib2to3", "site-packages", "__pycache__"}


class Document(NamedTuple):
    """A text and what it is about."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents to train on and documents held out; no long line is in both."""

    training: list[Document]
    held_out: list[Document]


def read_corpus(seed: int) -> Corpus:
    """Return what this Python has, split by whole documents."""
    documents = list(_without_repetitions(_all_documents()))
    order = np.random.default_rng(seed).permutation(len(documents))
    held_out: list[Document] = []
    training: list[Document] = []
    num_bytes = 0
    for index in order:
        document = documents[index]
        size = len(document.text.encode())
        if size <= LONGEST_HELD_OUT and num_bytes < HELD_OUT_BYTES:
            held_out.append(document)
            num_bytes += size
        else:
            training.append(document)
    lines = {line for document in training for line in _long_lines(document.text)}
    return Corpus(training, list(_without_lines(held_out, lines)))


def _all_documents() -> Iterator[Document]:
    from pydoc_data import topics

    for name, text in sorted(topics.topics.items()):
        yield Document(name, text)
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        inner = path.relative_to(library)
        if not LEFT_OUT_FOLDERS.intersection(inner.parts):
            yield from _docstrings(path, ".".join(inner.with_suffix("").parts))
    for name in sorted(sys.builtin_module_names):
        yield from _built_in(name)
    licence = library / "LICENSE.txt"
    if licence.is_file():
        yield Document("license", licence.read_text(encoding="utf-8"))


def _docstrings(path: Path, module: str) -> Iterator[Document]:
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # a few files of the library are broken on purpose
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                name = getattr(node, "name", "")
                yield Document(f"{module}.{name}" if name else module, text)


def _built_in(name: str) -> Iterator[Document]:
    module = importlib.import_module(name)
    for title, member in [(name, module), *sorted(vars(module).items())]:
        yield Document(title, inspect.getdoc(member) or "")
        if inspect.isclass(member):
            for attribute, value in sorted(vars(member).items()):
                yield Document(f"{title}.{attribute}", inspect.getdoc(value) or "")


def _without_repetitions(documents: Iterable[Document]) -> Iterator[Document]:
    seen: set[str] = set()
    for document in documents:
        kept = []
        for paragraph in document.text.expandtabs().split("\n\n"):
            folded = " ".join(paragraph.split()).casefold()
            if folded and folded not in seen:
                seen.add(folded)
                kept.append(paragraph.rstrip())
        text = "\n\n".join(kept).strip("\n")
        if len(text) >= SHORTEST_DOCUMENT:
            yield Document(document.title, text)


def _long_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        folded = " ".join(line.split()).casefold()
        if len(folded) >= SHORTEST_SHARED_LINE:
            yield folded


def _without_lines(documents: Iterable[Document], lines: set[str]) -> Iterator[Document]:
    for document in documents:
        kept = [line for line in document.text.splitlines() if lines.isdisjoint(_long_lines(line))]
        text = "\n".join(kept).strip("\n")
        if len(text) >= SHORTEST_DOCUMENT:
            yield Document(document.title, text)
