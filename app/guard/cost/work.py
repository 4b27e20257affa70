"""The largest work of a request, by route, as vLLM 0.32 would read its document.

Sources: `get_max_tokens` of entrypoints/serve/utils/api_utils.py for absent caps; the protocols of
entrypoints/openai, anthropic and cohere for the fields; entrypoints/pooling/scoring/utils.py for
pairs; entrypoints/generate/structured_decisions for questions, each of which gets a prompt of its
own. Nothing is tokenized: texts count by their length.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.access.fields import integer

COMPLETIONS, BATCH = "/v1/completions", "/v1/chat/completions/batch"
DECISIONS = "/v1/systemone"
_CHAT_CAPS = ("max_completion_tokens", "max_tokens")
CAPS: Mapping[str, tuple[str, ...]] = {
    "/v1/chat/completions": _CHAT_CAPS,
    BATCH: _CHAT_CAPS,
    COMPLETIONS: ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
    "/v1/messages": ("max_tokens",),
    "/cohere/v2/chat": ("max_tokens",),
    "/v1/audio/transcriptions": ("max_completion_tokens",),
    "/v1/audio/translations": ("max_completion_tokens",),
}
"""The fields by which a route caps the tokens of one answer; a cap is written into the first."""
_REQUIRED = frozenset({"/v1/messages"})
"""Routes on which vLLM refuses a request without a cap, so that none is written."""
CHOICES = ("n", "best_of")
"""Answers per prompt. The width of a beam search is `n`."""
_SMALL_DEFAULT: Mapping[str, int] = {COMPLETIONS: 16}
"""vLLM's cap where the field is absent. A null means "up to the context"."""
_PAIRS = frozenset(
    {"/score", "/v1/score", "/rerank", "/v1/rerank", "/v2/rerank", "/generative_scoring"}
)
SEVERAL = _PAIRS | {COMPLETIONS, BATCH, DECISIONS}
"""Routes on which one request may make several prompts."""
_LEFT = ("query", "queries", "text_1", "data_1")
_RIGHT = ("documents", "items", "text_2", "data_2")
_SHARED = ("instruction", "instructions", "state", "chat_template_kwargs")
"""Fields that vLLM writes into every prompt of a request with several."""


class Work(NamedTuple):
    """Counts of one request; all are upper bounds but `longest_prompt`."""

    prompts: int
    choices: int
    asked: int | None
    """Completion tokens that the request asks for per answer, at most; None for "up to the
    context"."""
    cap_field: str | None
    """The field that caps an answer, for a request that has no cap; else None."""
    prompt_bytes: int
    """Text of all prompts. Counted where vLLM repeats a text, else 0: the body bounds it."""
    longest_prompt: int
    """Tokens of the longest prompt that was sent as token ids, else 0."""

    @property
    def answers(self) -> int:
        """Sequences that the engine generates."""
        return self.prompts * self.choices


def of(template: str, document: Mapping[str, Any]) -> Work:
    """The work of a document; RefusedError 400 for a number that is not an integer."""
    caps = CAPS.get(template, ())
    asked = None
    for name in caps:
        value = document.get(name)
        if value is not None:
            asked = max(integer(name, value), asked or 0)
    if caps and asked is None and caps[0] not in document:
        asked = _SMALL_DEFAULT.get(template)
    choices = 1
    for name in CHOICES if caps else ():
        value = document.get(name)
        if value is not None:
            choices = max(choices, integer(name, value))
    prompts = _prompts(template, document) if template in SEVERAL else 1
    repeated = prompts > 1 and template != COMPLETIONS
    return Work(
        prompts=prompts,
        choices=choices,
        asked=asked,
        cap_field=caps[0] if caps and asked is None and template not in _REQUIRED else None,
        prompt_bytes=_prompt_bytes(template, document, prompts) if repeated else 0,
        longest_prompt=max(_token_ids(document.get("prompt")), _token_ids(document.get("input"))),
    )


def _prompts(template: str, document: Mapping[str, Any]) -> int:
    if template == COMPLETIONS:
        return max(1, sum(_listed(document.get(name)) for name in ("prompt", "prompt_embeds")))
    if template in (BATCH, DECISIONS):
        several = document.get("messages" if template == BATCH else "questions")
        return max(1, len(several)) if isinstance(several, (list, dict)) else 1
    left, right = _items(document, _LEFT), _items(document, _RIGHT)
    return max(1, len(left), len(right))


def _listed(value: Any) -> int:
    """Prompts in a value of `prompt`: a text, token ids, or a list of either."""
    if value is None:
        return 0
    if type(value) is not list or all(type(item) is int for item in value):
        return 1
    return len(value)


def _prompt_bytes(template: str, document: Mapping[str, Any], prompts: int) -> int:
    if template == BATCH:
        own = sum(size(document[name]) for name in document if name != "messages")
        return own * prompts + size(document.get("messages"))
    shared = sum(size(document.get(name)) for name in _SHARED) * prompts
    if template == DECISIONS:
        return shared + size(document.get("questions"))
    left, right = _items(document, _LEFT), _items(document, _RIGHT)
    return (
        shared
        + sum(map(size, left)) * (len(right) if len(left) == 1 else 1)
        + sum(map(size, right)) * (len(left) if len(right) == 1 else 1)
    )


def _items(document: Mapping[str, Any], names: tuple[str, ...]) -> list[Any]:
    """One side of the pairs: a text or token ids are one item, another list is several."""
    items: list[Any] = []
    for name in names:
        value = document.get(name)
        if value is not None:
            several = type(value) is list and not all(type(item) is int for item in value)
            items += value if several else [value]
    return items


def _token_ids(value: Any) -> int:
    """The length of the longest prompt of token ids; 0 for texts."""
    if type(value) is not list or not value:
        return 0
    if type(value[0]) is int:
        return len(value)
    return max((len(v) for v in value if type(v) is list and v and type(v[0]) is int), default=0)


def size(value: Any) -> int:
    """Characters of all texts within a value, and one for everything else."""
    total, level = 0, [value]
    while level:
        below: list[Any] = []
        for item in level:
            if type(item) is str:
                total += len(item)
            elif type(item) is dict:
                total += sum(map(len, item))
                below += item.values()
            elif type(item) is list:
                below += item
            elif item is not None:
                total += 1
        level = below
    return total
