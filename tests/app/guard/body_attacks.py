"""Bodies that must not pass, or may pass only because vLLM does not act on what is odd in them.

They are lists, not samples: each kind is tried at every route and in every form that it has. What
is sampled at random is in `body_mutations`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.app.guard import reader
from tests.app.guard.body_mutations import ADDRESSES, BASES, FORMS, NUMBERS, PICTURE, WRAPPERS
from tests.app.guard.grammar import bombs
from tests.app.guard.requests import message

JSON = "application/json"
CAP = 100
"""The role's `max_tokens` for which the bodies are made."""
CHAT, COMPLETION, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
BATCH, MESSAGES = f"{CHAT}/batch", "/v1/messages"
_OWN: dict[str, dict[str, Any]] = {}
for _path, _fields in BASES:
    _OWN.setdefault(_path, _fields)
_OWN |= {path: {"query": "a", "documents": ["b"]} for path in ("/v1/rerank", "/v2/rerank")}
_OWN["/detokenize"] = {"tokens": [1]}
_PARTS = (CHAT, BATCH, RESPONSES, "/v1/embeddings", "/pooling", "/classify", "/tokenize", "/score")
INTERNAL: dict[str, Any] = {
    "chat_template": "{{ 1 }}",
    "ec_transfer_params": {"do_remote_encode": True},
    "kv_transfer_params": {"do_remote_decode": True, "remote_host": "169.254.169.254"},
    "media_io_kwargs": {"video": {"num_frames": 10**6}},
    "mm_payload": {"a": 1},
    "mm_processor_kwargs": {"use_audio_in_video": True},
    "prompt_embeds": "AAAA",
    "request_id": "resp_of_another",
    "return_mm_kwargs": True,
    "vllm_xargs": {"a": 1},
    "priority": -1,
}
"""Fields by which a request reaches into vLLM, whether or not the route's model has them."""


@dataclass(frozen=True)
class Body:
    """One body. `refused`: the guard must answer 400 or 403; otherwise it may as well let it pass,
    as long as vLLM acts on nothing that the role may not have."""

    kind: str
    name: str
    path: str
    content: bytes
    refused: bool = True
    content_type: str = JSON


def bodies(context: int) -> list[Body]:
    """All of them, always the same, for a model with a context of as many tokens."""
    costs, places = _costs(context + 1), (_internal(), _types(), _twice(), _addresses())
    return [*costs, *(body for kind in places for body in kind), *_grammars(), *_odd()]


def grammars_of_some_roles() -> list[Body]:
    """What costs too much even for a role that may send grammars and structural tags."""
    requests = [*bombs.with_tag(bombs.WORST), *bombs.compiled()]
    return [_json("grammar of a role that may", path, fields) for path, fields in requests]


def _json(kind: str, path: str, fields: dict[str, Any], refused: bool = True) -> Body:
    document = {"model": "tiny", **_OWN[path], **fields}
    if path in (MESSAGES, "/v1/messages/count_tokens"):
        document.setdefault("max_tokens", 5)
    name = json.dumps(fields)[:80]
    return Body(kind, name, path, json.dumps(document).encode(), refused)


def _internal() -> Iterator[Body]:
    """vLLM's own fields: at the top of every body, and where vLLM looks for them below."""
    for name, value in INTERNAL.items():
        for path in _OWN:
            yield _json("internal field", path, {name: value})
        for path in FORMS:
            yield _form("internal field", path, (name, json.dumps(value)))
    template = {"chat_template_kwargs": {"chat_template": "{{ 1 }}"}}
    for path in (CHAT, BATCH, RESPONSES, "/tokenize", "/v1/embeddings", "/pooling", "/score"):
        yield _json("nested internal field", path, template)
    for path in (CHAT, BATCH, COMPLETION, RESPONSES):
        backend = {"structured_outputs": {"regex": "a", "_backend": "outlines"}}
        yield _json("nested internal field", path, backend)
    parts: list[dict[str, Any]] = [{"type": kind, kind: "AAAA"} for kind in reader.TENSORS]
    parts += [{kind: "AAAA"} for kind in reader.TENSORS]
    parts += [{"type": "text", "text": "x", "uuid": "1"}, {"type": "image_url", "uuid": "1"}]
    for part in parts:
        for path in _PARTS:
            yield _json("part that reaches into the engine", path, _with_part(path, part))


def _with_part(path: str, part: dict[str, Any]) -> dict[str, Any]:
    """A request to this route with a content part."""
    messages = message(part)["messages"]
    if path == BATCH:
        return {"messages": [messages]}
    if path == RESPONSES:
        return {"input": messages}
    if path == "/score":
        return {"data_1": {"content": [part]}, "data_2": "x"}
    return {"messages": messages}


def _types() -> Iterator[Body]:
    """Numbers in types that pydantic would read as the number, and types that fail in places."""
    for path, caps in reader.CAPS.items():
        if path in FORMS:
            continue
        for name in (*caps, *reader.COUNTED.get(path, ())):
            for value in NUMBERS:
                yield _json("number of another type", path, {name: value}, refused=False)
            for value in ("1", True, 1.5, [1], {"a": 1}, CAP + 1, 10**18, 1e300):
                yield _json("number of another type", path, {name: value})
    models = ("other", "TINY", " tiny", "tiny\0", "", ["tiny"], {"id": "tiny"}, 1, True)
    for path in _OWN:
        for model in models:
            yield _json("another model", path, {"model": model})


def _twice() -> Iterator[Body]:
    """Names that are there twice, of which readers keep the last, and names with escapes."""
    evil = {"n": 10**6, "prompt_logprobs": 10**6, "model": "other", "max_tokens": 10**6}
    evil |= {"chat_template": "{{ 1 }}", "kv_transfer_params": {"a": 1}, "priority": -1}
    good = {"n": 1, "prompt_logprobs": 1, "model": "tiny", "max_tokens": 5, "priority": 0}
    start = json.dumps({**_OWN[CHAT], "model": "tiny"})[:-1]
    for name, value in evil.items():
        first, last = json.dumps(good.get(name)), json.dumps(value)
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
        for names, refused in (((name, name), True), ((name, escaped), True), ((escaped,), True)):
            values = (first, last)[-len(names) :]
            members = [f'"{one}": {two}' for one, two in zip(names, values, strict=True)]
            text = f"{start}, {', '.join(members)}}}"
            yield Body("name twice or escaped", text[-80:], CHAT, text.encode(), refused)
        text = f'{start}, "{name}": {last}, "{escaped}": {first}}}'
        yield Body("name twice or escaped", text[-80:], CHAT, text.encode(), refused=False)
        inner = f'{start}, "x": {{"{name}": {last}}}, "{name}": {last}}}'
        yield Body("name twice or escaped", inner[-80:], CHAT, inner.encode())


def _costs(too_long: int) -> Iterator[Body]:
    """Requests for more work than one may be: per prompt, per answer, and over all of them."""
    requests: list[bombs.Request] = [
        *((path, {"n": count}) for path in (CHAT, COMPLETION) for count in (9, 10**9)),
        *((path, {"n": 8, "max_tokens": CAP // 8 + 1}) for path in (CHAT, COMPLETION, BATCH)),
        *((BATCH, {"best_of": count}) for count in (9, 10**9)),
        (CHAT, {"n": 8, "use_beam_search": True, "max_tokens": CAP}),
        (COMPLETION, {"n": 8, "use_beam_search": True, "max_tokens": CAP}),
        *((path, {"prompt_logprobs": count}) for path in (CHAT, COMPLETION, BATCH)
          for count in (-1, 21, 10**6)),
        *((path, {"echo": True, "logprobs": True, "top_logprobs": 21}) for path in (CHAT, BATCH)),
        *((COMPLETION, {"echo": True, "logprobs": count}) for count in (-1, 21, 10**6)),
        (COMPLETION, {"echo": True, "prompt_logprobs": 21, "max_tokens": 0}),
        (RESPONSES, {"top_logprobs": 21}),
        *((COMPLETION, {"prompt": [prompt] * 65}) for prompt in ("x", [1])),
        (COMPLETION, {"prompt": ["x"] * 64, "n": 8, "max_tokens": CAP}),
        (COMPLETION, {"prompt": ["x"] * 64, "max_tokens": 2}),
        (COMPLETION, {"prompt": ["x"] * 64}),
        (COMPLETION, {"prompt": [1] * too_long, "max_tokens": 1}),
        (COMPLETION, {"prompt": [[1], [1] * too_long], "max_tokens": 1}),
        (BATCH, {"messages": [_OWN[CHAT]["messages"]] * 65}),
        (BATCH, {"messages": [_OWN[CHAT]["messages"]] * 64, "max_tokens": 2}),
        *(("/v1/embeddings", {"input": [text] * 2049}) for text in ("x", [1])),
        ("/v1/embeddings", {"input": [1] * too_long}),
        ("/v2/embed", {"texts": ["x"] * 2049}),
        ("/classify", {"input": ["x"] * 2049}),
        ("/pooling", {"input": ["x"] * 2049}),
        *((path, {"documents": ["x"] * 2049}) for path in ("/rerank", "/v1/rerank", "/v2/rerank")),
        *((path, {"query": "x" * 20_000, "documents": ["x"] * 2000})
          for path in ("/rerank", "/v1/rerank", "/v2/rerank")),
        ("/score", {"data_1": "x", "data_2": ["x"] * 2049}),
        ("/score", {"data_1": "x" * 20_000, "data_2": ["x"] * 2000}),
        ("/v1/score", {"text_1": ["x" * 20_000], "text_2": ["x"] * 2000}),
        ("/generative_scoring", {"items": ["x"] * 2049}),
        ("/v1/systemone", {"questions": {str(i): {"type": "noul"} for i in range(65)}}),
        *((path, {"stop": ["x"] * 17}) for path in (CHAT, COMPLETION, BATCH, RESPONSES)),
        *((path, {"stop": ["x" * 2000]}) for path in (CHAT, COMPLETION)),
        (MESSAGES, {"stop_sequences": ["x"] * 17}),
        *((path, {name: list(range(1025))}) for path in (CHAT, COMPLETION, BATCH)
          for name in ("allowed_token_ids", "stop_token_ids", "bad_words")),
        *((path, {"logit_bias": {str(i): 1 for i in range(1025)}})
          for path in (CHAT, COMPLETION, RESPONSES)),
        *((path, {"tools": [{"type": "function", "function": {"name": "f"}}] * 513})
          for path in (CHAT, BATCH, RESPONSES)),
        (MESSAGES, {"tools": [{"name": "f", "input_schema": {}}] * 513}),
        *((path, {"repetition_detection": {"max_pattern_size": 10**6, "min_count": 2}})
          for path in (CHAT, COMPLETION, BATCH)),
        *((path, _with_part(path, {"type": "text", "text": _deep(40)})) for path in _PARTS),
    ]  # fmt: skip
    for path, fields in requests:
        yield _json("cost", path, fields)
    for path in FORMS:
        for field in (("n", "9"), ("n", "1e9"), ("max_completion_tokens", str(CAP + 1))):
            yield _form("cost", path, field)


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _addresses() -> Iterator[Body]:
    """Addresses of media that are on no allowed host, in every part that names one."""
    harmless = (None, "", PICTURE, "DATA:image/png;base64,AA", "https://images.example/a", 1)
    for address in ADDRESSES:
        refused = address not in harmless and not isinstance(address, list | dict)
        for kind, name in reader.TYPED.items():
            for value in (address, {"url": address}):
                for path in _PARTS:
                    fields = _with_part(path, {"type": kind, name: value})
                    yield _json("address of a medium", path, fields, refused)
        for path in ("/v2/embed", "/v1/systemone"):
            yield _json("address of a medium", path, {"images": [address]}, refused)
        source = {"type": "image", "source": {"type": "url", "url": address}}
        content = [source, {"type": "tool_result", "tool_use_id": "1", "content": [source]}]
        for part in content:
            fields = message(part)
            yield _json("address of a medium", MESSAGES, fields, refused)


def _grammars() -> Iterator[Body]:
    """Grammars that cost too much, or that the role may not send."""
    for schema in bombs.SCHEMAS:
        for path, fields in bombs.with_schema(schema):
            yield _json("schema", path, fields)
    for expression in bombs.EXPRESSIONS:
        for path, fields in bombs.with_expression(expression):
            yield _json("expression", path, fields)
    for path, fields in bombs.of_some_roles():
        yield _json("grammar of some roles", path, fields)
    for path, fields in bombs.with_tag(bombs.WORST):
        yield _json("structural tag", path, fields)
    for path, fields in bombs.too_large():
        yield _json("large grammar", path, fields)


def _odd() -> Iterator[Body]:
    """What vLLM ignores: unknown fields, and those of other routes, at the top and below."""
    evil: dict[str, Any] = dict.fromkeys((*reader.COUNTS, "logprobs", "min_tokens"), 10**6)
    evil |= {name: 10**6 for caps in reader.CAPS.values() for name in caps}
    evil |= {"images": ["http://169.254.169.254/"], "image_url": "http://169.254.169.254/"}
    evil |= {"model": "other"}
    for path in _OWN:
        for name, value in evil.items():
            if name != "model":
                yield _json("field of another route", path, {name: value}, refused=False)
        for wrapper in (*WRAPPERS, "x_unknown", "__proto__", "constructor"):
            yield _json("unknown object", path, {wrapper: {**evil, **INTERNAL}}, refused=False)
        for name in ("MAX_TOKENS", "max_tokens ", "max-tokens", "n[]", "", "\0", "Model", "é"):
            yield _json("unknown field", path, {name: 10**6}, refused=False)
    for path in _PARTS:
        part = {"type": "text", "text": "x", "unknown": evil}
        yield _json("unknown object below", path, _with_part(path, part), refused=False)
    inner = {"stream_options": evil, "metadata": evil, "stream": True}
    for path in (CHAT, COMPLETION, BATCH, RESPONSES):
        yield _json("unknown object below", path, inner, refused=False)


def _form(kind: str, path: str, *fields: tuple[str, str]) -> Body:
    """An audio request with these fields beside its own."""
    content = b""
    for name, value in (("model", "tiny"), *fields, ("file", "RIFF")):
        filename = '; filename="a.wav"' if name == "file" else ""
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
        content += f"{head}{value}\r\n".encode()
    kind_of_form = "multipart/form-data; boundary=b"
    return Body(kind, str(fields)[:80], path, content + b"--b--\r\n", True, kind_of_form)
