"""Bounds on every request, whatever the caller's role.

vLLM checks types. These are the sizes by which one request could cost as much as thousands, and the
hosts from which the server may fetch media; `app.guard.fields` judges requests by them.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode


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

    body_bytes: Count = Field(4 * 1024 * 1024, description="Body of a request, in bytes.")
    media_body_bytes: Count = Field(
        16 * 1024 * 1024,
        description="Body of a request to a model that accepts media, in bytes: base64 makes a "
        "picture a third larger.",
    )
    audio_body_bytes: Count = Field(
        25 * 1024 * 1024, description="Body of an audio request, in bytes."
    )
    headers: Count = Field(100, description="Number of headers.")
    header_bytes: Count = Field(32 * 1024, description="Size of all headers together, in bytes.")
    json_depth: Count = Field(32, description="Levels of nesting in the JSON body.")
    json_items: Count = Field(
        256 * 1024,
        description="Items of the JSON body: an entry of a list counts as 1; a list, an object and "
        "each member of an object count as 4.",
    )
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
    media_pixels: Count = Field(
        25_000_000,
        description="Pixels of one picture or video frame, which takes three bytes per pixel in "
        "memory however small its file is.",
    )
