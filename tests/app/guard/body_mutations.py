"""Requests that try to get past the guard by what their bodies contain.

Each starts as a request that vLLM accepts. Then fields are added, moved to other places and routes,
renamed, nested, repeated and given other types, and media are hidden in every list.
"""

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.app.guard.requests import claude, message

JSON = b"application/json"
EVIL = "http://169.254.169.254/latest"
PICTURE = "data:image/png;base64,iVBORw0KGgo="
TEXT = {"type": "text", "text": "x"}
MESSAGES = {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": [TEXT]}]}
BASES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", MESSAGES),
    ("/v1/chat/completions", message({"type": "image_url", "image_url": {"url": PICTURE}})),
    ("/v1/chat/completions/batch", {"messages": [MESSAGES["messages"], MESSAGES["messages"]]}),
    ("/v1/completions", {"prompt": "hi"}),
    ("/v1/completions", {"prompt": ["hi", "ho"]}),
    ("/v1/responses", {"input": "hi"}),
    (
        "/v1/responses",
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
    ),
    (
        "/v1/responses",
        {
            "input": [
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": [TEXT]},
            ]
        },
    ),
    ("/v1/messages", claude(TEXT)),
    ("/v1/messages", claude({"type": "tool_result", "tool_use_id": "1", "content": [TEXT]})),
    ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": [TEXT]}]}),
    ("/v1/embeddings", {"input": ["a", "b"]}),
    ("/v1/embeddings", MESSAGES),
    ("/v1/embeddings", {"input": MESSAGES["messages"]}),
    ("/v1/embeddings", {"input": [MESSAGES["messages"]]}),
    ("/v2/embed", {"texts": ["a"]}),
    ("/v2/embed", {"images": [PICTURE]}),
    ("/v2/embed", {"inputs": [{"content": [TEXT]}]}),
    ("/pooling", {"input": "a"}),
    ("/pooling", MESSAGES),
    ("/classify", MESSAGES),
    ("/score", {"data_1": "a", "data_2": ["b", {"content": [TEXT]}]}),
    ("/score", {"queries": {"content": [TEXT]}, "documents": "b"}),
    ("/v1/score", {"text_1": ["a"], "text_2": ["b"]}),
    ("/rerank", {"query": {"content": [TEXT]}, "documents": ["b", {"content": [TEXT]}]}),
    ("/tokenize", MESSAGES),
    ("/v1/systemone", {"state": "x", "questions": {"q": {"type": "noul"}}, "images": [PICTURE]}),
    ("/generative_scoring", {"query": "a", "items": ["b"], "label_token_ids": [1, 2]}),
]
FORMS = ("/v1/audio/transcriptions", "/v1/audio/translations")
NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 8, 9, 100, 101, 10**6, 2**62, 1.0, 101.0, 1e9, 1.5, True, False, None),
    *(
        "1",
        "101",
        "9",
        " 101 ",
        "1_01",
        "+101",
        "101.0",
        "\u0661\u0660\u0661",
        "",
        "x",
        [101],
        {"a": 101},
        [],
    ),
)
CAPPED = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens")
COUNTED = ("n", "best_of", "logprobs", "top_logprobs", "prompt_logprobs", "use_beam_search")
REACHING: dict[str, Any] = {
    "chat_template": "{{ 1 }}",
    "ec_transfer_params": {"a": 1},
    "kv_transfer_params": {"prompt_token_ids": [1]},
    "media_io_kwargs": {"image": {}},
    "mm_processor_kwargs": {"use_audio_in_video": True},
    "prompt_embeds": "AAAA",
    "request_id": "resp_other",
    "vllm_xargs": {"a": 1},
    "priority": -1,
}
MODELS: tuple[Any, ...] = (
    *("other", "TINY", " tiny", "tiny ", "tiny\0", "", None, ["tiny"], {"id": "other"}, 1, True),
)
ADDRESSES: tuple[Any, ...] = (
    EVIL, "HTTP://169.254.169.254/", "file:///etc/passwd", "File:///etc/passwd", "//evil.example/a",
    "https://images.example@evil.example/", "https://images.example\\@evil.example/",
    "https://evil.example#https://images.example/", "https://images.example:22/", " " + EVIL,
    "data :,", "https://images.example.evil.example/", "https://images.example/a", PICTURE,
    "DATA:image/png;base64,AA", "", None, [EVIL], {"url": EVIL}, 1,
)  # fmt: skip
SPELLINGS = ("image_url", "audio_url", "video_url", "input_image", "image_pil", "image_embeds")
TYPES = (
    *("image_url", "input_image", "audio_url", "video_url", "text", "input_text", "file"),
    *("image", "image_pil", "image_embeds", "prompt_embeds", "tool_reference", "x", None, 1),
)
WRAPPERS = ("extra_body", "sampling_params", "nvext", "parameters", "options", "metadata", "body")


@dataclass(frozen=True)
class Mutated:
    """One request. `changes` says what was done to it."""

    template: str
    content_type: bytes
    body: bytes
    changes: tuple[str, ...]


def mutated(count: int, seed: int = 1) -> Iterator[Mutated]:
    """As many requests; the same seed gives the same requests."""
    chance = random.Random(seed)
    for number in range(count):
        if number % 12 == 0:
            yield _form(chance)
            continue
        template, base = chance.choice(BASES)
        if chance.random() < 0.15:  # the body of another route
            base = chance.choice(BASES)[1]
        document = {"model": "tiny", **copy.deepcopy(base)}
        changes = []
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3))):
            change = chance.choice(_CHANGES)
            change(document, chance)
            document = json.loads(json.dumps(document))  # no value is in two places
            changes.append(change.__name__.strip("_"))
        yield Mutated(template, JSON, _encoded(document, chance), tuple(changes))


def _encoded(document: dict[str, Any], chance: random.Random) -> bytes:
    text = json.dumps(document, ensure_ascii=chance.random() < 0.5)
    roll = chance.random()
    if roll < 0.03:  # a name twice, the second time with what is wanted
        name = chance.choice(("model", "max_tokens", "n", "messages"))
        text = f"{text[:-1]}, {json.dumps(name)}: {json.dumps(chance.choice(NUMBERS))}}}"
    elif roll < 0.05:  # a name written with escapes
        text = text.replace('"max_tokens"', '"max\\u005ftokens"').replace('"url"', '"\\u0075rl"')
    elif roll < 0.06:
        return text.encode(chance.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")), "replace")
    return text.encode("utf-8", "replace")


def _add_cap(document: dict[str, Any], chance: random.Random) -> None:
    for name in chance.sample(CAPPED, chance.choice((1, 1, 2))):
        document[name] = chance.choice(NUMBERS)


def _add_count(document: dict[str, Any], chance: random.Random) -> None:
    document[chance.choice(COUNTED)] = chance.choice((*NUMBERS, 21, 99, 1000, 10**9))


def _add_reaching(document: dict[str, Any], chance: random.Random) -> None:
    name = chance.choice(list(REACHING))
    _anywhere(document, chance, 0.6)[name] = copy.deepcopy(REACHING[name])


def _other_model(document: dict[str, Any], chance: random.Random) -> None:
    if chance.random() < 0.3:
        document.pop("model", None)
    else:
        document["model"] = chance.choice(MODELS)


def _other_model_elsewhere(document: dict[str, Any], chance: random.Random) -> None:
    _anywhere(document, chance, 0.1)[chance.choice(("model", "lora", "engine"))] = "other"


def _hide_medium(document: dict[str, Any], chance: random.Random) -> None:
    part = _part(chance)
    lists = [value for value in _containers(document) if isinstance(value, list)]
    if lists and chance.random() < 0.8:
        chance.choice(lists).append(part)
    else:
        _anywhere(document, chance, 0.3).update(part)


def _add_media_list(document: dict[str, Any], chance: random.Random) -> None:
    name = chance.choice(("images", "audio", "videos", "input", "inputs", "documents", "texts"))
    document[name] = [chance.choice((chance.choice(ADDRESSES), {"content": [_part(chance)]}))]


def _message_elsewhere(document: dict[str, Any], chance: random.Random) -> None:
    made = {"role": chance.choice(("user", "assistant", "tool", "x")), "content": [_part(chance)]}
    name = chance.choice(("messages", "input", "system", "documents", "previous_input_messages"))
    document[name] = chance.choice(([made], [[made]], made, [made["content"]]))


def _nest(document: dict[str, Any], chance: random.Random) -> None:
    moved = chance.choice([name for name in document if name != "model"] or ["model"])
    value = document.pop(moved)
    document[chance.choice(WRAPPERS)] = {moved: value}


def _unnest(document: dict[str, Any], chance: random.Random) -> None:
    inner = _anywhere(document, chance, 0.0)
    document.update({name: value for name, value in list(inner.items()) if name != "model"})


def _rename(document: dict[str, Any], chance: random.Random) -> None:
    if not document:
        return
    name = chance.choice(list(document))
    spelled = chance.choice(
        (name.upper(), name.title(), f"{name} ", f" {name}", name.replace("_", "-"), f"{name}[]")
    )
    document[spelled] = document.pop(name)


def _retype(document: dict[str, Any], chance: random.Random) -> None:
    inner = _anywhere(document, chance, 0.5)
    if inner:
        name = chance.choice(list(inner))
        value = inner[name]
        inner[name] = chance.choice((json.dumps(value), [value], {"value": value}, None, 1, "x"))


def _to_string(document: dict[str, Any], chance: random.Random) -> None:
    for name in ("messages", "input", "prompt"):
        if name in document:
            document[name] = json.dumps(document[name])


_CHANGES = (
    _add_cap,
    _add_cap,
    _add_count,
    _add_count,
    _add_reaching,
    _add_reaching,
    _other_model,
    _other_model_elsewhere,
    _hide_medium,
    _hide_medium,
    _hide_medium,
    _add_media_list,
    _message_elsewhere,
    _nest,
    _unnest,
    _rename,
    _retype,
    _to_string,
)


def _part(chance: random.Random) -> dict[str, Any]:
    """A content part that names an address or a tensor, in any spelling."""
    address = chance.choice(ADDRESSES)
    if chance.random() < 0.15:
        return {
            "type": "image",
            "source": {"type": chance.choice(("url", "base64")), "url": address},
        }
    spelling = chance.choice(SPELLINGS)
    made: dict[str, Any] = {spelling: chance.choice((address, {"url": address}))}
    if chance.random() < 0.85:
        made["type"] = chance.choice((spelling, spelling, *TYPES))
    if chance.random() < 0.25:
        made["uuid"] = chance.choice(("1", "", None, 1))
    if chance.random() < 0.3:
        made["text"] = "x"
    if chance.random() < 0.1:
        made["data"] = "AAAA"
    return made


def _containers(value: Any) -> Iterator[Any]:
    """Every object and list inside a value, and itself."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _anywhere(document: dict[str, Any], chance: random.Random, top: float) -> dict[str, Any]:
    """The document itself with this probability, otherwise any object in it."""
    if chance.random() < top:
        return document
    return chance.choice([inner for inner in _containers(document) if isinstance(inner, dict)])


def _form(chance: random.Random) -> Mutated:
    """An audio request, as a form of one of two kinds and several charsets."""
    fields = [("model", "tiny"), ("language", "en")]
    for _ in range(chance.choice((1, 2, 3))):
        name = chance.choice((*CAPPED, *COUNTED, *REACHING, "model", "models", "model[]", "file"))
        value = chance.choice((*NUMBERS, *MODELS, json.dumps(REACHING.get(name, 1))))
        fields.append((name, value if isinstance(value, str) else json.dumps(value)))
    chance.shuffle(fields)
    template = chance.choice(FORMS)
    charset = chance.choice(("", "", "; charset=utf-8", "; charset=utf-7", "; charset=utf-16le"))
    if chance.random() < 0.4:
        kind = f"application/x-www-form-urlencoded{charset}"
        return Mutated(template, kind.encode(), urlencode(fields).encode(), ("form",))
    encoding = chance.choice(("utf-8", "utf-8", "utf-7", "utf-16-le"))
    body = b""
    for name, value in [*fields, ("file", "RIFF")]:
        filename = '; filename="a.wav"' if name == "file" and chance.random() < 0.9 else ""
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'.encode(
            encoding if chance.random() < 0.3 else "utf-8", "replace"
        )
        body += value.encode(encoding, "replace") + b"\r\n"
    kind = f"multipart/form-data; boundary=b{charset}"
    return Mutated(template, kind.encode(), body + b"--b--\r\n", ("multipart",))
