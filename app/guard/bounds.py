"""Bounds on every request, whatever the caller's role.

vLLM checks types. This module checks the sizes by which one request could cost as much as
thousands, and the addresses from which the server would fetch media. It changes nothing.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from app.access.fields import integer, shortened
from app.errors import RefusedError, out_of_bounds
from app.guard import vllm_bugs


def _hosts(value: Any) -> Any:
    return value.lower().replace(",", " ").split() if isinstance(value, str) else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


# Strict, because Pydantic on its own also accepts text such as "1.0".
Count = Annotated[int, BeforeValidator(_number), Field(ge=1, lt=2**31, strict=True)]
Hosts = Annotated[frozenset[str], NoDecode, BeforeValidator(_hosts)]


class Bounds(BaseModel):
    """The largest sizes of one request."""

    model_config = ConfigDict(frozen=True)

    body_bytes: Count = Field(1024 * 1024, description="Body of a request, in bytes.")
    audio_body_bytes: Count = Field(
        25 * 1024 * 1024, description="Body of an audio request, in bytes."
    )
    headers: Count = Field(100, description="Number of headers.")
    header_bytes: Count = Field(32 * 1024, description="Size of all headers together, in bytes.")
    json_depth: Count = Field(32, description="Levels of nesting in the JSON body.")
    n: Count = Field(8, description="Answers per prompt: `n` and `best_of`.")
    logprobs: Count = Field(20, description="Log probabilities per token.")
    stop: Count = Field(16, description="Number of stop sequences.")
    stop_bytes: Count = Field(1024, description="Size of one stop sequence or bad word, in bytes.")
    tools: Count = Field(512, description="Number of tools.")
    grammar_bytes: Count = Field(
        512 * 1024,
        description="Size of one grammar that the engine would compile, such as a JSON schema or "
        "the schemas of tools that must be called, in bytes. What it costs is bounded separately.",
    )
    prompt_bytes: Count = Field(
        16 * 1024 * 1024,
        description="Text of all prompts that one request makes, in bytes: the query of a score or "
        "rerank request counts once per document.",
    )
    prompts: Count = Field(
        64, description="Prompts of one completion request, or conversations of one batch."
    )
    inputs: Count = Field(2048, description="Texts of one embedding, score or rerank request.")
    token_ids: Count = Field(
        1024,
        description="Entries of `logit_bias`, `allowed_token_ids`, `stop_token_ids` and "
        "`bad_words`.",
    )
    media_domains: Hosts = Field(
        frozenset(),
        description="Hosts from which media may be fetched; subdomains are not included.",
        examples=["images.example.com, cdn.example.com"],
    )
    media_parts: Count = Field(16, description="Media parts of one request.")


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
_URLS = frozenset(
    {"url", "uri", "image_url", "video_url", "audio_url", "file_url", "server_url", "input_image"}
)
_URL_LISTS = frozenset({"images", "videos", "audio", "audios"})


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; RefusedError 400 for JSON that two parsers could read differently.

    That is JSON that is not UTF-8, has a name twice in one object, contains NaN or Infinity, or is
    nested deeper than the parser goes. Integers of more than 64 bits are refused too: vLLM 0.32
    accepts them and then fails (500).
    """
    try:
        document = json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_machine_integer,
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        # The parser's own message contains no part of the body.
        problem = "it must be UTF-8, without repeated names, NaN or Infinity"
        if isinstance(error, json.JSONDecodeError):
            problem = f"{error.msg} at character {error.pos}"
        message = f"The body is not acceptable JSON: {problem}."
        raise RefusedError(400, "invalid_json", message) from None
    if not isinstance(document, dict):
        raise RefusedError(400, "invalid_json", "The body must be a JSON object.")
    return document


class _JsonError(ValueError):
    """The JSON is valid but not accepted."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _JsonError
    return members


def _no_constant(_: str) -> NoReturn:
    raise _JsonError


def _machine_integer(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise RefusedError(
            400, "out_of_bounds", "The body contains an integer of more than 64 bits."
        )
    return number


def check(
    document: Mapping[str, Any], template: str, bounds: Bounds, closed: frozenset[str]
) -> None:
    """Raise RefusedError 400 when the document exceeds a bound or vLLM would fail on it.

    `template` is the route's; `closed` are fields that the caller may not set at any depth.
    """
    for part in (document, document.get("sampling_params")):
        if isinstance(part, dict):
            _check_numbers(part, bounds)
            _check_sizes(part, bounds)
    _check_nested(document, bounds, closed)
    vllm_bugs.check(document, template)


def _check_numbers(document: Mapping[str, Any], bounds: Bounds) -> None:
    for field, name in _COUNTED.items():
        value = document.get(field)
        if value is None or (field == "logprobs" and isinstance(value, bool)):
            continue
        minimum = 0 if name == "logprobs" else 1
        maximum: int = getattr(bounds, name)
        if not minimum <= integer(field, value) <= maximum:
            raise out_of_bounds(field, f"is {shortened(value)}; allowed: {minimum} to {maximum}")


def _check_sizes(document: Mapping[str, Any], bounds: Bounds) -> None:
    for field, name in _SIZED.items():
        value = document.get(field)
        limit: int = getattr(bounds, name)
        if isinstance(value, (list, dict)) and len(value) > limit:
            raise _too_many(field, len(value), "entries", limit)
    for field in ("stop", "stop_sequences", "bad_words"):
        value = document.get(field)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and len(text.encode(errors="replace")) > bounds.stop_bytes:
                problem = f"contains a text of more than {bounds.stop_bytes} bytes"
                raise out_of_bounds(field, problem)
    for field, limit in (("prompt", bounds.prompts), ("input", bounds.inputs)):
        value = document.get(field)
        if isinstance(value, list) and len(value) > limit and not isinstance(value[0], (int, dict)):
            raise _too_many(field, len(value), "prompts", limit)
    messages = document.get("messages")
    if isinstance(messages, list) and len(messages) > bounds.prompts:
        batch = any(isinstance(item, list) for item in messages)
        if batch:
            raise _too_many("messages", len(messages), "conversations", bounds.prompts)


def _check_nested(document: Mapping[str, Any], bounds: Bounds, closed: frozenset[str]) -> None:
    """Depth, closed fields and media addresses, anywhere in the document."""
    level: list[Any] = [document]
    depth = media = 0
    while level:
        depth += 1
        if depth > bounds.json_depth:
            raise _too_deep(f"; allowed: {bounds.json_depth} levels")
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                for key, value in container.items():
                    kind = type(value)
                    if kind is dict or kind is list:
                        below.append(value)
                    if key in closed and value is not None:
                        raise out_of_bounds(key, "may not be set by your role; send text instead")
                    for url in _addresses(key, value):
                        media += 1
                        _check_address(key, url, bounds)
            else:
                below.extend(v for v in container if type(v) is dict or type(v) is list)
        level = below
    if media > bounds.media_parts:
        raise _too_many("messages", media, "media parts", bounds.media_parts)


def _addresses(key: str, value: Any) -> Iterator[str]:
    if key in _URLS and type(value) is str:
        yield value
    elif key in _URL_LISTS and type(value) is list:
        yield from (item for item in value if type(item) is str)


def _check_address(field: str, url: str, bounds: Bounds) -> None:
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
        problem = f"is not an allowed address; allowed domains: {allowed}; or send a data: URL"
        raise out_of_bounds(field, problem)


def _too_many(field: str, count: int, unit: str, limit: int) -> RefusedError:
    return out_of_bounds(field, f"has {count} {unit}; allowed: {limit}")


def _too_deep(allowed: str = "") -> RefusedError:
    return RefusedError(400, "out_of_bounds", f"The JSON is nested too deeply{allowed}.")
