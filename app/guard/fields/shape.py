"""What multiplies the work of a request, by route: prompts, answers per prompt, and tokens.

This is the part of the placement that decides how much a request may cost. `facts` is a pure
function of the request. Sources: the `serving.py` of each route in vLLM 0.32.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.access.permissions import Caps
from app.access.routes import Route

Document = Mapping[str, Any]
NO_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Shape:
    """How one route's fields multiply."""

    prompts: Callable[[Document], int] = lambda _: 1
    """The prompts that the engine gets for a request."""
    choices: tuple[str, ...] = ()
    """Fields whose largest number is the answers per prompt."""
    beams: str | None = None
    """The switch by which the answers are the width of a beam search: each of its steps generates
    one token for twice as many candidates."""
    caps: Caps = NO_CAPS
    """The fields that cap one answer's tokens; of several, the first that is not null counts."""
    generates: bool = False
    """Whether answers are generated token by token."""
    padded: str | None = None
    """The field whose value "max_length" makes every prompt as long as the model's context."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one request asks of the engine."""

    prompts: int
    choices: int
    """Answers per prompt; for a beam search its width."""
    beam_search: bool
    cap: int | None
    """Tokens of one answer; None where the request sets no cap, or the route generates nothing."""
    generates: bool
    media: int
    padded: bool


def facts(document: Document, template: str, media: int = 0) -> Facts:
    """What the request asks for; `template` is the route's, `media` what `Table.check` counted.

    Values of a wrong type count as absent: `Table.check` refuses them first.
    """
    shape = SHAPES.get(template, _OTHER)
    caps = [document[name] for name in shape.caps.fields if _number(document.get(name))]
    return Facts(
        prompts=shape.prompts(document),
        choices=max([1, *(int(document[f]) for f in shape.choices if _number(document.get(f)))]),
        beam_search=shape.beams is not None and bool(document.get(shape.beams)),
        cap=int(caps[0]) if caps else None,
        generates=shape.generates,
        media=media,
        padded=shape.padded is not None and document.get(shape.padded) == "max_length",
    )


def caps(route: Route) -> Caps:
    """The fields that cap one answer's tokens on a route."""
    return SHAPES.get(route.template, _OTHER).caps


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _texts(*names: str) -> Callable[[Document], int]:
    """Prompts in these fields together: texts, lists of texts, or lists of token ids."""

    def count(document: Document) -> int:
        found = 0
        for name in names:
            value = document.get(name)
            if type(value) is list and not (value and type(value[0]) in (int, dict)):
                found += len(value)
            elif value is not None:
                found += 1
        return max(1, found)

    return count


def _items(name: str) -> Callable[[Document], int]:
    """One prompt per entry of a field that is a list or an object."""

    def count(document: Document) -> int:
        value: Any = document.get(name)
        return max(1, len(value)) if type(value) in (list, dict) else 1

    return count


def _conversations(document: Document) -> int:
    """A list of conversations, in `messages` or, where there are none, in `input`."""
    messages = document.get("messages")
    given = messages if messages is not None else document.get("input")
    if type(given) is list and any(type(item) is list for item in given):
        return len(given)
    return _texts("input")(document) if messages is None else 1


def _pairs(*names: str) -> Callable[[Document], int]:
    """Pairs of a query and a document: one query is paired with each document."""

    def count(document: Document) -> int:
        given: list[Any] = [document[name] for name in names if name in document]
        return max([1, *(len(value) for value in given if type(value) is list)])

    return count


_OTHER = Shape()
_CHAT = Shape(
    choices=("n",),
    beams="use_beam_search",
    caps=Caps(("max_completion_tokens", "max_tokens"), "max_completion_tokens"),
    generates=True,
)
_POOLING = Shape(_conversations, padded="padding")
_SCORE = Shape(
    _pairs("data_1", "data_2", "queries", "documents", "items", "text_1", "text_2"),
    padded="padding",
)
_RERANK = Shape(_pairs("documents"), padded="padding")
_AUDIO = Shape(
    choices=("n",), beams="use_beam_search", caps=Caps(("max_completion_tokens",)), generates=True
)
SHAPES: Mapping[str, Shape] = {
    "/v1/chat/completions": _CHAT,
    "/v1/chat/completions/batch": Shape(
        _items("messages"),
        choices=("n", "best_of"),
        beams="use_beam_search",
        caps=_CHAT.caps,
        generates=True,
    ),
    "/v1/completions": Shape(
        _texts("prompt", "prompt_embeds"),
        choices=("n",),
        beams="use_beam_search",
        caps=Caps(("max_tokens",), "max_tokens", small_default=True),
        generates=True,
    ),
    "/v1/responses": Shape(caps=Caps(("max_output_tokens",), "max_output_tokens"), generates=True),
    # `max_tokens` is required there, so nothing is written.
    "/v1/messages": Shape(caps=Caps(("max_tokens",)), generates=True),
    "/cohere/v2/chat": Shape(caps=Caps(("max_tokens",), "max_tokens"), generates=True),
    "/v1/audio/transcriptions": _AUDIO,
    "/v1/audio/translations": _AUDIO,
    # One token per question, and a read of one token per item.
    "/v1/systemone": Shape(_items("questions")),
    "/generative_scoring": Shape(_items("items")),
    "/v1/embeddings": _POOLING,
    "/pooling": _POOLING,
    "/classify": _POOLING,
    "/v2/embed": Shape(_pairs("texts", "images", "inputs")),
    "/score": _SCORE,
    "/v1/score": _SCORE,
    "/rerank": _RERANK,
    "/v1/rerank": _RERANK,
    "/v2/rerank": _RERANK,
}
