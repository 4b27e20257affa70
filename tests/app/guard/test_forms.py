"""The guard judges exactly the form that the engine reads, in bounded time and without disk."""

import asyncio
import random
import tempfile
import time
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Form, UploadFile
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData
from starlette.requests import Request

from app.errors import RefusedError
from app.guard import forms, handover
from tests.app.calls import post
from tests.app.conftest import Service, build, values
from tests.app.guard.loop_time import best_longest_step

# Starlette leaves the file of an incomplete form to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

AUDIO = "/v1/audio/transcriptions"
MULTIPART = b"multipart/form-data; boundary=b"
STEP_S = 0.020
AUDIO_BYTES = 25 * 1024 * 1024


class Transcription(BaseModel):
    """The fields of vLLM 0.32's request for a transcription that a guard has to understand."""

    model_config = ConfigDict(extra="allow")
    file: UploadFile
    model: str | None = None
    prompt: str = ""
    granularities: list[str] = Field(alias="timestamp_granularities[]", default=[])


def part(disposition: bytes, value: bytes, more: bytes = b"") -> bytes:
    return b"--b\r\nContent-Disposition: " + disposition + more + b"\r\n\r\n" + value + b"\r\n"


def field(name: str, value: str) -> bytes:
    return part(f'form-data; name="{name}"'.encode(), value.encode())


FILE = part(b'form-data; name="file"; filename="a.wav"', b"RIFF")
END = b"--b--\r\n"


def engines(content_type: bytes, body: bytes, read: FormData | None = None) -> Any:
    """What FastAPI gives to a route like vLLM's, or None where it refuses the form."""
    seen: list[Any] = []
    app = FastAPI()

    @app.post(AUDIO)
    async def route(request: Annotated[Transcription, Form()]) -> None:
        seen.append({**request.model_dump(by_alias=True), "file": await request.file.read()})

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        pass

    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": AUDIO, "query_string": b"", "root_path": "",
        "headers": [(b"content-type", content_type)],
    }  # fmt: skip
    carrier: Any = handover.Carrier(app, read)
    asyncio.run(carrier(scope, receive, send))
    return seen[0] if seen else None


def judged(content_type: bytes, body: bytes) -> dict[str, Any] | None:
    """What the guard judges, or None where it refuses the form."""
    try:
        read: dict[str, Any] = asyncio.run(forms.read_texts(content_type, body))
    except RefusedError as refusal:
        assert refusal.status in (400, 413, 415)  # noqa: PT017
        return None
    return read


def agree(content_type: bytes, body: bytes) -> bool:
    """Whether one of the two refuses, or both read the same texts."""
    mine, theirs = judged(content_type, body), engines(content_type, body)
    if mine is None or theirs is None:
        return True
    texts = {name: value for name, value in theirs.items() if name != "file"}
    defaults: dict[str, Any] = {"model": None, "prompt": "", "timestamp_granularities[]": []}
    return {**defaults, **mine} == texts


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MULTIPART + b"; charset=utf-7", field("+AG0-odel", "other") + FILE + END),
        (MULTIPART + b"; charset=utf-16", field("model", "other") + FILE + END),
        (MULTIPART + b"; charset=punycode", field("model", "x") + FILE + END),
        (MULTIPART, field("model", "tiny") + field("model", "other") + FILE + END),
        (MULTIPART, field("model", "tiny")
         + part(b'form-data; name="model"; filename="f"', b"other") + FILE + END),
        (MULTIPART, field("model", "tiny") + FILE),
        (MULTIPART, field("model", "tiny") + FILE + FILE + END),
        (MULTIPART, part(b'form-data; name="prompt"', b"\xff") + FILE + END),
        (MULTIPART, part(b"form-data", b"x") + FILE + END),
        (MULTIPART, b"junk" + field("model", "tiny") + FILE + END),
        (MULTIPART, field("prompt", "x" * 9000) + FILE + END),
        (MULTIPART, field("x", "y") * 65 + FILE + END),
        (b"multipart/form-data", field("model", "tiny") + FILE + END),
        (b"multipart/form-data; boundary=" + b"b" * 80, FILE + END),
        (b"multipart/mixed; boundary=b", FILE + END),
        (b"application/json", b"{}"),
        (b"application/x-www-form-urlencoded", b"model=tiny&model=other"),
        (b"application/x-www-form-urlencoded", b"model=%ff"),
        (b"application/x-www-form-urlencoded", "model=д".encode()),
        (b"application/x-www-form-urlencoded", b"&".join([b"a"] * 65)),
    ],
    ids=range(20),
)  # fmt: skip
def test_forms_that_could_be_read_in_two_ways_are_refused(content_type: bytes, body: bytes) -> None:
    assert judged(content_type, body) is None


@pytest.mark.parametrize(
    "content_type",
    [
        b'Multipart/Form-Data; Boundary="b"',
        b"multipart/form-data; charset=UTF-8; boundary=b",
        b"multipart/form-data; boundary=b; charset=us-ascii",
        b"multipart/form-data; boundary=b; charset=ISO-8859-1",
    ],
)
def test_usual_forms_are_read_as_the_engine_reads_them(content_type: bytes) -> None:
    body = (
        field("model", "tiny") + FILE + field("timestamp_granularities[]", "word")
        + field("timestamp_granularities[]", "segment") + field("extra", "") + END
    )  # fmt: skip
    expected = {"model": "tiny", "timestamp_granularities[]": ["word", "segment"], "extra": ""}
    assert judged(content_type, body) == expected
    assert agree(content_type, body)
    assert engines(content_type, body) is not None


def test_two_granularities_reach_the_engine(service: Service) -> None:
    fields = {"timestamp_granularities[]": ["word", "segment"], "model": "tiny"}
    answer = post(service, AUDIO, data=fields, files={"file": ("a.wav", b"RIFF")})
    assert answer.status_code == 200


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "UTF-7"])
def test_no_charset_hides_the_model_from_the_guard(charset: str) -> None:
    restricted = service_for_one_model()
    content_type = f"multipart/form-data; boundary=b; charset={charset}"
    name = "+AG0AbwBkAGUAbA-" if "7" in charset else "model"
    answer = post(
        restricted,
        AUDIO,
        content=field(name, "other") + FILE + END,
        headers={"Content-Type": content_type},
    )
    restricted.guard.close()
    assert answer.status_code == 415
    assert restricted.backend.calls == []


def service_for_one_model() -> Service:
    return build(values(ROLES='{"user": {"models": ["tiny"]}}'), model_name="tiny")


_NAMES = st.sampled_from(
    [
        "model",
        "prompt",
        "timestamp_granularities[]",
        "n",
        "file",
        "Model",
        "",
        "mödel",
        "a%62",
        "a+b",
    ]
)
_VALUES = st.sampled_from(
    ["tiny", "other", "", "+AG0-", "д", "\xff", "a\r\nb", "--b", "=", "&", "%ff"]
)
_DISPOSITIONS = st.sampled_from(
    [
        'form-data; name="{}"', "form-data; name={}", 'form-data; name="x"; name="{}"',
        "form-data; name*=utf-8''{}", "form-data; name=\"x\"; name*=utf-8''{}",
        "form-data; name*0=\"{}\"; name*1=\"\"", 'form-data; name="{}"; filename="f"',
        "form-data; name=\"{}\"; filename*=utf-8''f", 'form-data; filename=""; name="{}"',
        'attachment; name="{}"', 'form-data; NAME="{}"', 'form-data;name="{}";',
        'form-data; name="\\{}"', "form-data; name*=utf-7''{}",
    ]
)  # fmt: skip
_MORE = st.sampled_from(
    [
        "", "\r\nContent-Type: text/plain; charset=utf-7", "\r\nContent-Type: x; charset=utf-16",
        "\r\nContent-Transfer-Encoding: base64", '\r\nContent-Disposition: form-data; name="model"',
        "\r\n folded",
    ]
)  # fmt: skip
_CODECS = st.sampled_from(["utf-8", "latin-1", "utf-7"])
_TYPES = st.sampled_from(
    ["", "; charset=utf-7", "; charset=utf-8", "; charset=latin-1", "; charset=x",
     '; charset="UTF-8"', "; charset*=utf-8''utf-7", "; boundary=c"]
)  # fmt: skip
_DELIMITERS = st.sampled_from([b"--b\r\n", b"--b \r\n", b"\r\n--b\r\n", b"--bb\r\n", b"--b\n"])
_PARTS = st.lists(
    st.tuples(_NAMES, _VALUES, _DISPOSITIONS, _MORE, _CODECS, _DELIMITERS), max_size=4
)


@settings(max_examples=600, deadline=None)
@given(_PARTS, _TYPES, st.booleans(), st.sampled_from([END, b"--b--", b"--b", b""]))
def test_random_forms_are_refused_or_read_as_the_engine_reads_them(
    parts: list[tuple[str, str, str, str, str, bytes]], kind: str, quoted: bool, end: bytes
) -> None:
    body = FILE
    for name, value, disposition, more, codec, delimiter in parts:
        head = f"Content-Disposition: {disposition.format(name)}{more}\r\n\r\n"
        body += delimiter + (head + value).encode(codec, "replace") + b"\r\n"
    boundary = '"b"' if quoted else "b"
    content_type = f"multipart/form-data; boundary={boundary}{kind}".encode()
    assert agree(content_type, body + end)


@settings(max_examples=200, deadline=None)
@given(st.text("model=tiny&;+%6fn[]\xe9", max_size=40), st.sampled_from(["utf-8", "latin-1"]))
def test_random_url_encoded_forms_are_read_alike(text: str, codec: str) -> None:
    content_type = b"application/x-www-form-urlencoded"
    body = text.encode(codec)

    async def starlettes() -> dict[str, Any]:
        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        scope = {"type": "http", "headers": [(b"content-type", content_type)]}
        form = await Request(scope, receive).form()
        return {name: form.getlist(name) for name in form}

    mine = judged(content_type, body)
    if mine is not None:
        lists = {name: v if isinstance(v, list) else [v] for name, v in mine.items()}
        assert lists == asyncio.run(starlettes())


def test_the_engine_gets_the_form_that_was_judged_and_nothing_is_on_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def on_disk(*_: Any, **__: Any) -> None:
        raise AssertionError("a file on disk")

    monkeypatch.setattr(tempfile, "TemporaryFile", on_disk)
    monkeypatch.setattr(Request, "json", Request.json)
    monkeypatch.setattr(Request, "form", Request.form)
    handover.install()
    sound = random.Random(1).randbytes(3_000_000)
    body = field("model", "tiny") + FILE.replace(b"RIFF", sound) + END
    read = asyncio.run(forms.read(MULTIPART, body))
    assert engines(b"multipart/form-data; boundary=gone", b"unread", read) == {
        "model": "tiny", "file": sound, "prompt": "", "timestamp_granularities[]": []
    }  # fmt: skip


def worst() -> dict[str, bytes]:
    """Forms of the largest size that cost Python's parser most per byte."""
    small = part(b'form-data; name="f"; filename="f"', b"")
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
    start, size = head + b"\r\n", AUDIO_BYTES - 200
    url_encoded_size = forms.MAX_URL_ENCODED_BYTES
    return {
        "one file": start + bytes(size) + b"\r\n" + END,
        "a file of line ends": start + b"\r\n" * (size // 2) + b"\r\n" + END,
        "a file of almost delimiters": start + b"\r\n--" * (size // 4) + b"\r\n" + END,
        "small files": small * (size // len(small)) + END,
        "small fields": field("a", "b") * (size // len(field("a", "b"))) + END,
        "delimiters": start + b"\r\n--bx" * (size // 6) + END,
        "blanks after a delimiter": start + b"\r\n--b" + b" " * size,
        "headers": head + b"a: b\r\n" * (size // 6),
        "a long header": head + b"a: " + b"b" * size,
        "blanks in a header": head + b"a:" + b" " * size,
        "before the first delimiter": b"\r\n" * (size // 2),
        "after the last delimiter": FILE + END + b"\r\n--b" * (size // 5),
        "a field": part(b'form-data; name="a"', b"x" * size) + END,
        "url-encoded": b"&" * url_encoded_size,
        "url-encoded, escaped": b"a=" + b"%41" * (url_encoded_size // 3 - 1),
        "url-encoded, large": b"a=b&" * (AUDIO_BYTES // 4),
    }


WORST = worst()


@pytest.mark.parametrize("name", WORST)
def test_the_worst_forms_keep_the_loop_for_less_than_20_ms(name: str) -> None:
    kind = b"application/x-www-form-urlencoded" if "url" in name else MULTIPART
    assert best_longest_step(lambda: forms.read_texts(kind, WORST[name])) < STEP_S


@pytest.mark.parametrize("name", ["small files", "small fields", "delimiters", "headers"])
def test_a_form_of_many_small_parts_is_refused_at_once(name: str) -> None:
    """5.2 s of CPU for 25 MB, before its parts were bounded."""
    before = time.thread_time()
    assert judged(MULTIPART, WORST[name]) is None
    assert time.thread_time() - before < 0.1
