"""Bodies of requests, as OpenAI's API has them, and what this gateway adds to them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from edgebatch.engines import Prompt, Sampling
from edgebatch.serving.refusals import invalid

Milliseconds = Annotated[float, Field(gt=0.0, le=1e10)]
Text = Annotated[str, Field(max_length=10_000_000)]
LEAST_TEMPERATURE = 1e-3
"""Below, the likeliest token is taken: engines divide by it with 32 bits, which know no 1e-300."""
LEAST_TOP_P = 1e-6
"""The likeliest token of any vocabulary has more than that, so below it nothing changes."""

Stops = Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=16)]


class StreamOptions(BaseModel):
    """What a stream says besides tokens."""

    include_usage: bool = False


class _Asked(BaseModel):
    """What both kinds of requests have in common."""

    # front ends send fields that change nothing here; those that would are refused below
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop: Annotated[str, Field(min_length=1)] | Stops | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    priority: int | None = Field(default=None, description="lower is more urgent; default 0")
    slo_e2e_ms: Milliseconds | None = Field(
        default=None, description="deadline of the whole answer, milliseconds from now"
    )
    slo_ttft_ms: Milliseconds | None = Field(
        default=None, description="deadline of the first token, milliseconds from now"
    )
    min_quality: Annotated[float, Field(ge=0.0, le=1.0)] | None = Field(
        default=None, description="least quality of the weights, 1 for that of 16 bits"
    )
    ignore_eos: bool = Field(
        default=False, description="go on to the limit, whatever the model says"
    )

    def sampling(self) -> Sampling:
        """Return how tokens are to be chosen; OpenAI's default temperature is 1."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        temperature = 1.0 if self.temperature is None else self.temperature
        return Sampling(
            temperature=0.0 if temperature < LEAST_TEMPERATURE else temperature,
            top_p=1.0 if self.top_p is None else max(self.top_p, LEAST_TOP_P),
            seed=self.seed,
            stop=stop,
            ignore_end=self.ignore_eos,
        )

    def limit(self) -> int | None:
        """Return the output limit that was asked for."""
        return self.max_tokens

    def refuse_what_is_not_done(self) -> None:
        """Raise Refusal for what would change the answer and cannot be done here."""
        asked = {"n": self.n, "presence_penalty": self.presence_penalty}
        asked |= {"frequency_penalty": self.frequency_penalty, **(self.model_extra or {})}
        _refuse(asked, _NEUTRAL, "")


_NOTHING: tuple[Any, ...] = (0, "", [], {})
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "repetition_penalty": (1,),
    "top_k": (0, -1),
    "tool_choice": ("none",),
    "response_format": ({"type": "text"},),
    **dict.fromkeys(("presence_penalty", "frequency_penalty", "min_p"), (0,)),
    **dict.fromkeys(("top_logprobs", "logit_bias", "echo", "suffix"), _NOTHING),
    "logprobs": (),  # 0 asks for those of the tokens themselves
    **dict.fromkeys(("tools", "functions"), _NOTHING),
    "function_call": ("none",),
    # an empty schema still asks for JSON
    **dict.fromkeys(("guided_json", "guided_regex", "guided_choice", "guided_grammar"), ()),
    **dict.fromkeys(("structured_outputs", "json_schema"), ()),
    "typical_p": (1,),
    **dict.fromkeys(("grammar", "min_tokens", "stop_token_ids", "bad_words"), _NOTHING),
    **dict.fromkeys(("chat_template_kwargs", "continue_final_message"), _NOTHING),
}
"""Fields that are not done, and values with which they change nothing, as null and false do."""
_NEUTRAL_IN_MESSAGES = dict.fromkeys(("tool_calls", "tool_call_id"), _NOTHING)


def _refuse(asked: dict[str, Any], neutral: dict[str, tuple[Any, ...]], where: str) -> None:
    for name, values in neutral.items():
        value = asked.get(name)
        if value is not None and value is not False and value not in values:
            path = where + name
            raise invalid(f"{path} is not supported by this gateway", path, "unsupported")


class CompletionRequest(_Asked):
    """``POST /v1/completions``."""

    prompt: Text | list[Any]

    def asked(self) -> Prompt:
        """Return what to answer: one text, or the token ids of one.

        Raises:
            Refusal: several prompts, or none.
        """
        prompt = self.prompt
        if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
            [prompt] = prompt
        if isinstance(prompt, str):
            return Prompt(text=_whole_characters(prompt, "prompt"))
        if prompt and all(type(token) is int and 0 <= token < 2**31 for token in prompt):
            return Prompt(tokens=tuple(prompt))
        raise invalid("prompt must be one text, or the token ids of one", "prompt")


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="allow")

    role: Annotated[str, Field(min_length=1, max_length=64)]
    content: Text | list[dict[str, Any]] | None = None


class ChatRequest(_Asked):
    """``POST /v1/chat/completions``."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None

    def limit(self) -> int | None:
        """Return the output limit that was asked for, by either name."""
        return self.max_completion_tokens or self.max_tokens

    def refuse_what_is_not_done(self) -> None:
        """Raise Refusal for what would change the answer, also if a message has it."""
        super().refuse_what_is_not_done()
        for position, message in enumerate(self.messages):
            _refuse(message.model_extra or {}, _NEUTRAL_IN_MESSAGES, f"messages[{position}].")

    def asked(self) -> Prompt:
        """Return the conversation, contents as plain text.

        Raises:
            Refusal: a part of a message is not text.
        """
        return Prompt(
            messages=tuple(
                {"role": message.role, "content": _plain(message, position)}
                for position, message in enumerate(self.messages)
            )
        )


def _plain(message: Message, position: int) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    texts = []
    for number, part in enumerate(message.content):
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            where = f"messages[{position}].content[{number}]"
            raise invalid(f"{where} must be a part of type 'text'; nothing else is read", where)
        texts.append(part["text"])
    return _whole_characters("".join(texts), f"messages[{position}].content")


def _whole_characters(text: str, where: str) -> str:
    """Return a text, unless it has half of a character, which JSON can name and nobody can read."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise invalid(f"{where} has half of a surrogate pair", where) from error
    return text
