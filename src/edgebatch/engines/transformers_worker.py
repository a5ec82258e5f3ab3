"""The part of the transformers engine that lives in the child process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebatch.engines.base import EngineInfo, Finish, GenerationRequest, Progress, Prompt
from edgebatch.engines.text import GrowingText
from edgebatch.engines.transformers import GroupMember, TransformersSettings
from edgebatch.engines.transformers_batch import PaddedBatch, SeededChoice
from edgebatch.engines.transformers_model import HostedModel, load


@dataclass(slots=True)
class _Member:
    """A request that waits, or whose row of the batch is its own."""

    request: GenerationRequest
    model: HostedModel
    tokens: tuple[int, ...]
    choice: SeededChoice | None
    text: GrowingText
    row: int = -1
    num_gained: int = 0


class TransformersStepEngine:
    """Does one padded batch after another, each in the precision of whoever waited longest.

    Args:
        model_name: of the model, as users know it.
        folders: of each precision, the folder of its model.
        settings: how torch runs.
    """

    def __init__(
        self, model_name: str, folders: Mapping[str, str], settings: TransformersSettings
    ) -> None:
        self._model_name = model_name
        self._folders = folders
        self._settings = settings
        self._models: dict[str, HostedModel] = {}
        self._waiting: dict[int, _Member] = {}
        self._members: dict[int, _Member] = {}  # of the batch, those who are not done
        self._batch: PaddedBatch | None = None
        self._num_followers = 0

    def load(self) -> EngineInfo:
        """Load all precisions and run each once, so that the first step is like any other."""
        import torch
        import transformers

        if self._settings.threads is not None:
            torch.set_num_threads(self._settings.threads)
        for name, folder in self._folders.items():
            self._models[name] = model = load(Path(folder), name, self._settings)
            warm_up = PaddedBatch(model, [[0] * 8, [0] * 4], [None, None])
            warm_up.step()
            warm_up.step()
        models = self._models.values()
        contexts = [each.max_context_tokens for each in models]
        known = [context for context in contexts if context is not None]
        return EngineInfo(
            engine="transformers",
            version=f"{transformers.__version__}, torch {torch.__version__}",
            model=self._model_name,
            precisions=tuple(self._models),
            max_context_tokens=min(known) if known else None,
            max_running=self._settings.max_batch,
            vocabulary_size=self._any_model.vocabulary_size,
            settings={
                "batching": "padded",
                "device": self._settings.device,
                "dtype": self._settings.dtype,
                "threads": str(torch.get_num_threads()),
                "weight_bytes": str({name: m.weight_bytes for name, m in self._models.items()}),
            },
            has_steps=True,
        )

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the prompt's token ids; all precisions are taken to have the same tokenizer."""
        return self._any_model.encode(prompt)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids, without special ones."""
        return self._any_model.decode([tokens])[0]

    def add(self, request: GenerationRequest) -> None:
        """Let a request wait for the next batch of its precision.

        Raises:
            EngineError: it cannot be served, and why.
            ValueError: its sampling is impossible.
        """
        self._num_followers = request.followers if isinstance(request, GroupMember) else 0
        model = self._models[request.precision]
        tokens = model.encode(request.prompt)
        model.check(tokens, request.max_tokens)
        sampling = request.sampling
        choice = SeededChoice(sampling, request.number) if sampling.temperature != 0 else None
        text = GrowingText(sampling.stop)
        self._waiting[request.number] = _Member(request, model, tokens, choice, text)

    def cancel(self, number: int) -> Progress | None:
        """Call a request off; its row goes on unseen while others of the batch need theirs."""
        member = self._members.pop(number, None) or self._waiting.pop(number, None)
        if member is None:
            return None
        if not self._members:
            self._batch = None
        known, both = member.model.decode(member.text.add(()))
        text = member.text.text(known, both, is_last=True)
        return Progress(number, 0, text=text, finish=Finish.CANCELLED)

    @property
    def is_running(self) -> bool:
        """Whether a batch runs, or one can be formed because all of a group have come."""
        return bool(self._members) or (bool(self._waiting) and not self._num_followers)

    def step(self) -> Sequence[Progress]:
        """Do one pass of the batch; form it first if there is none."""
        batch = self._batch or self._form()
        gained = batch.step()
        members = list(self._members.values())
        windows = [window for each in members for window in each.text.add([gained[each.row]])]
        texts = members[0].model.decode(windows)
        progress = [
            self._progress(member, gained[member.row], known, both)
            for member, known, both in zip(members, texts[::2], texts[1::2], strict=True)
        ]
        self._batch = batch if self._members else None
        return progress

    @property
    def _any_model(self) -> HostedModel:
        return next(iter(self._models.values()))

    def _form(self) -> PaddedBatch:
        first = next(iter(self._waiting.values()))
        same = [each for each in self._waiting.values() if each.model is first.model]
        members = same[: self._settings.max_batch]
        for row, member in enumerate(members):
            member.row = row
            self._members[member.request.number] = self._waiting.pop(member.request.number)
        return PaddedBatch(
            first.model, [each.tokens for each in members], [each.choice for each in members]
        )

    def _progress(self, member: _Member, token: int, known: str, both: str) -> Progress:
        request = member.request
        member.num_gained += 1
        finish = None
        if token in member.model.end_tokens and not request.sampling.ignore_end:
            finish = Finish.STOP
        elif member.num_gained == request.max_tokens:
            finish = Finish.LENGTH
        text = member.text.text(known, both, is_last=finish is not None)
        if member.text.is_stopped:
            finish = Finish.STOP
        if finish is not None:
            del self._members[request.number]
        return Progress(request.number, 1, text, (token,), finish)
