"""Bounds on every request, whatever the caller's role, and the reading of its JSON.

vLLM checks types. These are the sizes by which one request could cost as much as thousands, and the
hosts from which the server may fetch media; `app.guard.fields` judges requests by them.
"""

import json
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from app.errors import RefusedError


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
    tools: Count = Field(128, description="Number of tools.")
    grammar_bytes: Count = Field(
        32 * 1024,
        description="Size of `tools`, `response_format` and `structured_outputs`, each as JSON, "
        "in bytes.",
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
    repetition_pattern: Count = Field(
        64,
        description="Longest pattern, in tokens, that `repetition_detection` looks for.",
    )
    media_domains: Hosts = Field(
        frozenset(),
        description="Hosts from which media may be fetched; subdomains are not included.",
        examples=["images.example.com, cdn.example.com"],
    )
    media_parts: Count = Field(16, description="Media parts of one request.")


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


def _too_deep() -> RefusedError:
    return RefusedError(400, "out_of_bounds", "The JSON is nested too deeply.")
