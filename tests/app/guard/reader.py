"""What vLLM 0.32 would act on in a body, read independently of the guard.

Written from vLLM's sources: the request models, `renderers/chat_utils.py`,
`entrypoints/openai/responses/utils.py`, `entrypoints/anthropic/serving.py` and
`entrypoints/pooling`. tests/app_live/test_fields_live.py compares it with vLLM itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

CHAT, BATCH = "/v1/chat/completions", "/v1/chat/completions/batch"
TYPED = {
    "image_url": "image_url",
    "audio_url": "audio_url",
    "video_url": "video_url",
    "input_image": "image_url",
}
TENSORS = ("image_pil", "image_embeds", "audio_embeds", "video_embeds", "prompt_embeds")
# The order in which vLLM looks for a medium in a part without a type, or with a uuid.
SOUGHT = (
    *("image_url", "image_pil", "image_embeds", "audio_embeds", "video_embeds", "prompt_embeds"),
    *("audio_url", "input_audio", "video_url"),
)
CAPS = {
    CHAT: ("max_completion_tokens", "max_tokens"),
    BATCH: ("max_completion_tokens", "max_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
    "/v1/messages": ("max_tokens",),
    "/v1/audio/transcriptions": ("max_completion_tokens",),
    "/v1/audio/translations": ("max_completion_tokens",),
}
REQUIRED = {
    CHAT: ("messages",),
    BATCH: ("messages",),
    "/v1/responses": ("input",),
    "/v1/messages": ("model", "messages", "max_tokens"),
    "/v1/messages/count_tokens": ("model", "messages"),
}
# Fields by which a request reaches into the engine, as attributes of its model or by getattr.
REACHING = (
    *("chat_template", "ec_transfer_params", "kv_transfer_params", "media_io_kwargs"),
    *("mm_processor_kwargs", "prompt_embeds", "request_id", "vllm_xargs"),
)
_SCORED = ("data_1", "data_2", "queries", "documents", "items", "text_1", "text_2")
# Fields with messages, or with objects that have content.
FIELDS = {
    **dict.fromkeys((CHAT, BATCH, "/tokenize", "/pooling", "/classify"), ("messages",)),
    "/v1/embeddings": ("messages", "input"),
    **dict.fromkeys(("/score", "/v1/score"), _SCORED),
    **dict.fromkeys(("/rerank", "/v1/rerank", "/v2/rerank"), ("query", "documents")),
    "/v2/embed": ("inputs",),
}
COUNTS = {"n": 8, "best_of": 8, "top_logprobs": 20, "prompt_logprobs": 20}
COUNTED = {
    CHAT: ("n", "top_logprobs", "prompt_logprobs"),
    BATCH: ("n", "best_of", "top_logprobs", "prompt_logprobs"),
    "/v1/completions": ("n", "prompt_logprobs"),
    "/v1/responses": ("top_logprobs",),
    "/v1/audio/transcriptions": ("n",),
    "/v1/audio/translations": ("n",),
}


class RejectedError(Exception):
    """vLLM would answer 400."""


@dataclass
class Read:
    """What the engine's side takes from one body."""

    model: str | None = None
    cap: int | None = None
    capped: bool = False
    """Whether the route generates text, so that a role's cap applies."""
    reaching: list[str] = field(default_factory=list)
    addresses: list[Any] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def read(template: str, document: dict[str, Any]) -> Read:
    """RejectedError for what vLLM's models certainly refuse."""
    if any(document.get(name) is None for name in REQUIRED.get(template, ())):
        raise RejectedError
    found = Read(capped=template in CAPS)
    model = document.get("model")
    if model is not None and not isinstance(model, str):
        raise RejectedError
    found.model = model
    for name in CAPS.get(template, ()):
        if found.cap is None and document.get(name) is not None:
            found.cap = _integer(document[name])
    if template == "/v1/completions" and "max_tokens" not in document:
        found.cap = 16
    for name in COUNTED.get(template, ()):
        if document.get(name) is not None:
            found.counts[name] = _integer(document[name])
    found.reaching = [name for name in REACHING if document.get(name) is not None]
    if document.get("priority") not in (None, 0):
        found.reaching.append("priority")
    for part in _parts(template, document):
        kind, value = _medium(part)
        if kind and part.get("uuid") is not None:
            found.reaching.append("uuid")
        if kind in TENSORS and value is not None:
            found.reaching.append(kind)
        elif kind and value and kind not in TENSORS:
            found.addresses.append(value)
    found.addresses += _sources(template, document)
    found.addresses += _address_lists(template, document)
    return found


def _integer(value: Any) -> int:
    """As pydantic reads an int in its lax mode."""
    try:
        if isinstance(value, bool | int):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str):
            number = float(value.strip().replace("_", "")) if "." in value else int(value)
            if number == int(number):
                return int(number)
    except (ValueError, OverflowError):
        pass
    raise RejectedError


def _parts(template: str, document: dict[str, Any]) -> Iterator[Any]:
    """Every content part that vLLM's chat renderer would read."""
    for message in _messages(template, document):
        if isinstance(message, dict):
            yield from _list(message.get("content"))


def _messages(template: str, document: dict[str, Any]) -> list[Any]:
    if template.startswith("/v1/messages"):
        return []
    if template == "/v1/responses":
        items = [item for item in _list(document.get("input")) if isinstance(item, dict)]
        returned = ("function_call_output", "custom_tool_call_output")
        outputs = [{"content": i.get("output")} for i in items if i.get("type") in returned]
        return [item for item in items if "role" in item] + outputs
    found: list[Any] = []
    for name in FIELDS.get(template, ()):
        value = document.get(name)
        if name in ("messages", "input", "inputs") and isinstance(value, dict):
            raise RejectedError
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, list) and template not in (BATCH, "/v1/embeddings"):
                raise RejectedError
            found += item if isinstance(item, list) else [item]
    return found


def _medium(part: Any) -> tuple[str, Any]:
    """(kind, value) of a medium, by vLLM's own order of looking; ("", None) for none."""
    if not isinstance(part, dict):
        return "", None
    kind, uuid = part.get("type"), part.get("uuid")
    if not isinstance(kind, str | None):
        raise RejectedError
    if uuid is None and kind in TYPED:
        value = part.get(TYPED[kind])
        return TYPED[kind], value.get("url") if isinstance(value, dict) else value
    if uuid is None and kind in TENSORS:
        return kind, True
    if kind is None or uuid is not None:
        for name in SOUGHT:
            if name in part:
                value = part[name]
                if name == "input_audio":
                    return "", None
                return name, value.get("url") if isinstance(value, dict) else value
    return "", None


def _sources(template: str, document: dict[str, Any]) -> list[Any]:
    """The addresses of images in a request to Anthropic's routes."""
    if not template.startswith("/v1/messages"):
        return []
    blocks: list[Any] = []
    for message in _list(document.get("messages")):
        blocks += _list(message.get("content")) if isinstance(message, dict) else []
    inner = [
        item
        for block in blocks
        if isinstance(block, dict) and block.get("type") == "tool_result"
        for item in _list(block.get("content"))
    ]
    found = []
    for block in [*blocks, *inner]:
        source = block.get("source") if isinstance(block, dict) else None
        named = isinstance(source, dict) and source.get("type") == "url" and source.get("url")
        if named and block.get("type") == "image":
            found.append(named)
    return found


def _address_lists(template: str, document: dict[str, Any]) -> list[Any]:
    """The addresses of fields that are lists of them."""
    names = {"/v1/systemone": ("images", "audio", "videos"), "/v2/embed": ("images",)}
    found = [item for name in names.get(template, ()) for item in _list(document.get(name))]
    if not all(isinstance(item, str) for item in found):
        raise RejectedError
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
