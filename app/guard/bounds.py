"""What a request's JSON may ask for, before the engine sees it.

vLLM checks types; these are the sizes that make one request cost thousands, the fields that reach
into the engine, and the addresses that the server would fetch. What passes is handed on exactly as
it came, unless the role's cap of completion tokens has to be written in.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

from app.access.roles import Role
from app.access.routes import OPERATE
from app.errors import RefusedError
from app.guard import vllm_bugs


@dataclass(frozen=True)
class Bounds:
    """Largest sizes; counts of items unless the name says bytes."""

    body_bytes: int = 1024 * 1024
    audio_body_bytes: int = 25 * 1024 * 1024
    headers: int = 100
    header_bytes: int = 32 * 1024
    json_depth: int = 32
    n: int = 8
    logprobs: int = 20
    stop: int = 16
    stop_bytes: int = 1024
    tools: int = 128
    grammar_bytes: int = 32 * 1024
    """Of tools, response_format and structured_outputs, each as JSON."""
    prompts: int = 64
    """Prompts of one completion request, or conversations of one batch."""
    inputs: int = 2048
    """Texts of one embedding, score or rerank request."""
    token_ids: int = 1024
    """Entries of logit_bias, allowed_token_ids, stop_token_ids, bad_words."""
    media_domains: frozenset[str] = frozenset()
    """Hosts that media may be fetched from; subdomains are not included."""
    media_parts: int = 16


_COUNTED: Mapping[str, str] = {
    "n": "n",
    "best_of": "n",
    "logprobs": "logprobs",
    "top_logprobs": "logprobs",
    "prompt_logprobs": "logprobs",
}
_SIZED: Mapping[str, str] = {
    "stop": "stop",
    "stop_sequences": "stop",
    "tools": "tools",
    "logit_bias": "token_ids",
    "logprob_token_ids": "token_ids",
    "allowed_token_ids": "token_ids",
    "stop_token_ids": "token_ids",
    "bad_words": "token_ids",
    "texts": "inputs",
    "inputs": "inputs",
    "documents": "inputs",
    "queries": "inputs",
    "items": "inputs",
    "text_1": "inputs",
    "text_2": "inputs",
    "questions": "prompts",
}
_GRAMMARS = ("tools", "response_format", "structured_outputs", "text", "output_config")
_MAX_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_INJECTED: Mapping[str, str] = {
    "/v1/chat/completions": "max_completion_tokens",
    "/v1/chat/completions/batch": "max_completion_tokens",
    "/v1/completions": "max_tokens",
    "/v1/responses": "max_output_tokens",
    "/cohere/v2/chat": "max_tokens",
}
_HAS_DEFAULT = frozenset({"/v1/completions"})
"""Routes where leaving the field out means a small number, and only null means "no limit"."""
PRIVILEGED = (
    "chat_template",
    "ec_transfer_params",
    "kv_transfer_params",
    "media_io_kwargs",
    "mm_payload",
    "mm_processor_kwargs",
    "request_id",
    "return_mm_kwargs",
    "vllm_xargs",
)
_EMBEDS = frozenset({"prompt_embeds", "image_embeds", "audio_embeds", "video_embeds"})
_URLS = frozenset(
    {"url", "uri", "image_url", "video_url", "audio_url", "file_url", "server_url", "input_image"}
)
_URL_LISTS = frozenset({"images", "videos", "audio", "audios"})


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; RefusedError 400 for what two parsers could read in two ways.

    That is: not UTF-8, a name twice in one object, NaN or Infinity, deeper than the parser goes.
    Also for integers of more than 64 bits, which vLLM 0.32 takes and then fails on (500).
    """
    try:
        document = json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_machine_integer,
        )
    except RecursionError:
        raise _deep(0) from None
    except ValueError as error:
        # The parser's own message quotes nothing of the body but the name of a repeated field.
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        what = error.msg if isinstance(error, json.JSONDecodeError) else "not plain UTF-8 JSON"
        message = f"The body is not acceptable JSON: {what}{where}."
        raise RefusedError(400, "invalid_json", message) from None
    if not isinstance(document, dict):
        raise RefusedError(400, "invalid_json", "The body must be a JSON object.")
    return document


class _JsonError(ValueError):
    """JSON that is valid and not accepted."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _JsonError
    return found


def _no_constant(_: str) -> NoReturn:
    raise _JsonError


def _machine_integer(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise RefusedError(400, "out_of_bounds", "An integer in the body has more than 64 bits.")
    return number


def check(
    document: dict[str, Any], template: str, role: Role, bounds: Bounds, model_length: int | None
) -> dict[str, Any]:
    """RefusedError 400 when the document goes over a bound; else fields to write in, mostly none.

    `template` is the route's, `model_length` the engine's context in tokens where it is known.
    """
    for part in (document, document.get("sampling_params")):
        if isinstance(part, dict):
            _numbers(part, bounds)
            _sizes(part, bounds)
    if OPERATE not in role.groups:
        _privileged(document)
    _nested(document, bounds, OPERATE in role.groups)
    vllm_bugs.check(document, template)
    return _max_tokens(document, template, role, model_length)


def _numbers(document: Mapping[str, Any], bounds: Bounds) -> None:
    for field, name in _COUNTED.items():
        value = document.get(field)
        if value is None or (field == "logprobs" and isinstance(value, bool)):
            continue
        least = 0 if name == "logprobs" else 1
        most: int = getattr(bounds, name)
        if not least <= _integer(field, value) <= most:
            raise _over(field, f"is {_shown(value)}; allowed: {least} to {most}")


def _integer(field: str, value: Any) -> int:
    """A JSON number without a fraction. Text such as "9" is refused: vLLM would read it as 9."""
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise _over(field, "must be an integer")


def _sizes(document: Mapping[str, Any], bounds: Bounds) -> None:
    for field, name in _SIZED.items():
        value = document.get(field)
        most: int = getattr(bounds, name)
        if isinstance(value, (list, dict)) and len(value) > most:
            raise _over(field, f"has {len(value)} entries; allowed: {most}")
    for field in ("stop", "stop_sequences", "bad_words"):
        value = document.get(field)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and len(text.encode(errors="replace")) > bounds.stop_bytes:
                raise _over(field, f"has a text above {bounds.stop_bytes} bytes")
    for field, most in (("prompt", bounds.prompts), ("input", bounds.inputs)):
        value = document.get(field)
        if isinstance(value, list) and len(value) > most and not isinstance(value[0], (int, dict)):
            raise _over(field, f"has {len(value)} prompts; allowed: {most}")
    given = document.get("messages")
    if isinstance(given, list) and len(given) > bounds.prompts:
        batch = any(isinstance(item, list) for item in given)
        if batch:
            raise _over("messages", f"has {len(given)} conversations; allowed: {bounds.prompts}")
    for field in _GRAMMARS:
        value = document.get(field)
        if isinstance(value, (list, dict)) and value:
            size = len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
            if size > bounds.grammar_bytes:
                raise _over(field, f"has {size} bytes; allowed: {bounds.grammar_bytes}")


def _privileged(document: Mapping[str, Any]) -> None:
    for field in PRIVILEGED:
        if document.get(field) is not None:
            raise _over(field, "is not open to your role; leave it out")
    if document.get("priority") not in (None, 0):
        raise _over("priority", "is set by your role; leave it out")


def _nested(document: dict[str, Any], bounds: Bounds, privileged: bool) -> None:
    """Depth, embeddings and media addresses, anywhere in the document."""
    level: list[Any] = [document]
    depth = media = 0
    while level:
        depth += 1
        if depth > bounds.json_depth:
            raise _deep(bounds.json_depth)
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                for key, value in container.items():
                    kind = type(value)
                    if kind is dict or kind is list:
                        below.append(value)
                    if key in _EMBEDS and value is not None and not privileged:
                        raise _over(key, "is not open to your role; send text")
                    for url in _addresses(key, value):
                        media += 1
                        _address(key, url, bounds)
            else:
                below.extend(v for v in container if type(v) is dict or type(v) is list)
        level = below
    if media > bounds.media_parts:
        raise _over("messages", f"has {media} media parts; allowed: {bounds.media_parts}")


def _addresses(key: str, value: Any) -> Iterator[str]:
    if key in _URLS and type(value) is str:
        yield value
    elif key in _URL_LISTS and type(value) is list:
        yield from (item for item in value if type(item) is str)


def _address(field: str, url: str, bounds: Bounds) -> None:
    if url[:5].lower() == "data:":
        return
    plain = url.isascii() and url.isprintable() and not set(url) & set("\\ @\t")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        plain = False
    listed = plain and parts.scheme in ("http", "https") and host in bounds.media_domains
    if not listed or port not in (None, 80, 443):
        allowed = ", ".join(sorted(bounds.media_domains)) or "none"
        raise _over(field, f"is not at a listed domain; listed: {allowed}; or send a data: URL")


def _max_tokens(
    document: Mapping[str, Any], template: str, role: Role, model_length: int | None
) -> dict[str, Any]:
    cap = role.max_tokens
    if cap is None:
        return {}
    asked = False
    for field in _MAX_TOKENS:
        value = document.get(field)
        if value is not None:
            asked = True
            if _integer(field, value) > cap:
                raise _over(field, f"is {_shown(value)}; your role may ask for up to {cap}")
    field = _INJECTED.get(template, "")
    if asked or not field or (template in _HAS_DEFAULT and field not in document):
        return {}
    return {} if model_length is not None and model_length <= cap else {field: cap}


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 20 else text[:20] + "..."


def _over(field: str, what: str) -> RefusedError:
    return RefusedError(400, "out_of_bounds", f"{field!r} {what}.", param=field)


def _deep(most: int) -> RefusedError:
    allowed = f"; allowed: {most} levels" if most else ""
    return RefusedError(400, "out_of_bounds", f"The JSON is nested too deeply{allowed}.")
