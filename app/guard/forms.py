"""Forms, read by the engine's own parser: Starlette's, which FastAPI uses for vLLM's routes.

A second parser would read odd forms differently (charsets, repeated fields, file names), and the
guard would judge another request than the engine runs. This module only bounds what Starlette's
parser reads, keeps files in memory, and refuses forms that two readers might understand
differently. `app.guard.handover` then gives the engine the form that was judged.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import unquote_plus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from app.errors import RefusedError

MAX_FIELDS, MAX_FIELD_BYTES, MAX_FILES = 64, 8192, 1
LISTS = frozenset({"timestamp_granularities[]"})
"""Fields of vLLM's audio routes that are lists, even with one value."""
MAX_URL_ENCODED_BYTES = MAX_FIELDS * MAX_FIELD_BYTES
logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it logs what clients send wrongly
SLICE_BYTES = 64 * 1024
"""Bytes that the parser reads before other requests get a turn."""
_MAX_BOUNDARY, _MAX_PADDING = 70, 32
_CHARSETS = {
    **dict.fromkeys((b"utf-8", b"utf8"), "utf-8"),
    **dict.fromkeys((b"us-ascii", b"ascii"), "ascii"),
    **dict.fromkeys((b"iso-8859-1", b"latin-1", b"latin1"), "latin-1"),
}


async def read(content_type: bytes | None, body: bytes) -> FormData:
    """The fields of a form and its file, in their order.

    RefusedError 415 for a body that is not a form or is in another charset, 413 for a url-encoded
    form of more than `MAX_URL_ENCODED_BYTES`, 400 for a malformed or incomplete one, and for one
    with more or larger fields than the constants of this module allow.
    """
    kind, options = parse_options_header(content_type or b"")
    headers = Headers(raw=[(b"content-type", content_type or b"")])
    try:
        if kind == b"multipart/form-data":
            return await _multipart(headers, options, body)
        if kind == b"application/x-www-form-urlencoded":
            return await _url_encoded(headers, body)
    except MultiPartException as error:
        raise _malformed(error.message.rstrip(".")) from None
    except (FormParserError, UnicodeDecodeError):
        raise _malformed("it is not a form with fields in its charset, which is UTF-8") from None
    allowed = "multipart/form-data, application/x-www-form-urlencoded"
    text = f"The body must be a form; allowed content types: {allowed}."
    raise RefusedError(415, "unsupported_media_type", text)


async def read_texts(content_type: bytes | None, body: bytes) -> dict[str, Any]:
    """The `fields` of a form that no one else reads."""
    form = await read(content_type, body)
    try:
        return fields(form)
    finally:
        await form.close()


def fields(form: FormData) -> dict[str, Any]:
    """The text fields as the engine reads them: a list for `LISTS` and for a repeated `name[]`.

    RefusedError 400 for any other name that is repeated: a reader may take the first or the last.
    """
    read_fields: dict[str, Any] = {}
    for name in form:
        values = form.getlist(name)
        if len(values) > 1 and not name.endswith("[]"):
            raise _malformed("it repeats a field")
        texts = [value for value in values if isinstance(value, str)]
        if texts:
            read_fields[name] = texts if name in LISTS or len(values) > 1 else texts[0]
    return read_fields


class _MultiPart(MultiPartParser):
    """Starlette's parser, without files on disk, for complete forms in one charset."""

    spool_max_size = 2**31
    complete = False

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            part.data.decode(self._charset)  # Starlette would fall back to latin-1
        super().on_part_end()

    def on_end(self) -> None:
        self.complete = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self.complete:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("it is incomplete")
        return form


class _UrlEncoded(FormParser):
    """Starlette's parser, for ASCII that stands for UTF-8."""

    def on_field_end(self) -> None:
        for text in (self._field_name, self._field_value):
            unquote_plus(text.decode("ascii"), errors="strict")  # Starlette would replace bytes
        super().on_field_end()


async def _multipart(headers: Headers, options: dict[bytes, bytes], body: bytes) -> FormData:
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= _MAX_BOUNDARY:
        raise _malformed(f"its boundary must have 1 to {_MAX_BOUNDARY} characters")
    charset = options.get(b"charset", b"utf-8").lower()
    if charset not in _CHARSETS:
        text = "The form has an unknown charset; allowed: utf-8, us-ascii, iso-8859-1."
        raise RefusedError(415, "unsupported_media_type", text)
    stream = _bounded(body, b"\r\n--" + boundary)
    parser = _MultiPart(
        headers,
        stream,
        max_files=MAX_FILES,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    return await parser.parse()


async def _url_encoded(headers: Headers, body: bytes) -> FormData:
    if len(body) > MAX_URL_ENCODED_BYTES:
        text = f"The form is too large; allowed: {MAX_URL_ENCODED_BYTES} bytes without a file."
        raise RefusedError(413, "body_too_large", text)
    parser = _UrlEncoded(
        headers, _slices(body), max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
    )
    return await parser.parse()


async def _slices(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), SLICE_BYTES):
        if start:
            await asyncio.sleep(0)
        yield body[start : start + SLICE_BYTES]


async def _bounded(body: bytes, delimiter: bytes) -> AsyncGenerator[bytes, None]:
    """Slices of a body whose parts are few.

    The parser finds the next delimiter in C, but examines each one, and the blanks that follow it,
    byte by byte in Python.
    """
    found, start = 0, 0
    async for piece in _slices(body):
        end = start + len(piece)
        at = body.find(delimiter, start, end + len(delimiter) - 1)
        while at >= 0:
            found += 1
            after = at + len(delimiter)
            padding = body[after : after + _MAX_PADDING]
            if len(padding) == _MAX_PADDING and not padding.strip(b" \t"):
                raise _malformed("blanks follow its boundary")
            if found > MAX_FIELDS + MAX_FILES + 1:
                raise _malformed(f"it has more than {MAX_FIELDS} fields and {MAX_FILES} file")
            at = body.find(delimiter, after, end + len(delimiter) - 1)
        start = end
        yield piece


def _malformed(why: str) -> RefusedError:
    return RefusedError(400, "invalid_form", f"The form cannot be read: {why}.")
