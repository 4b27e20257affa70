"""Reads request bodies, bounded while they arrive, and forms, without files on disk."""

import asyncio
from typing import Any, cast
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.asgi import Receive
from app.errors import RefusedError

TIMEOUT_S = 30.0
_MAX_FIELDS, _MAX_FIELD_BYTES = 64, 8192


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


def declared_length(value: bytes | None, maximum: int) -> None:
    """Refuse by Content-Length, before a byte is read: 413 if too large, 400 if not a number."""
    if value is None:
        return
    if not value.isdigit() or len(value) > 19:
        raise RefusedError(400, "invalid_header", "Content-Length must be a number of bytes.")
    if int(value) > maximum:
        raise too_large(maximum)


def too_large(maximum: int) -> RefusedError:
    """413 that states what is allowed."""
    return RefusedError(413, "body_too_large", f"The body is too large; allowed: {maximum} bytes.")


async def read(receive: Receive, maximum: int) -> bytes:
    """The whole body, of up to `maximum` bytes.

    Raises RefusedError 413 when it is larger, 408 when it takes longer than TIMEOUT_S, or
    ClientGoneError.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > maximum:
            raise too_large(maximum)
        return body
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _rest(message, receive, maximum)
    except TimeoutError:
        text = f"The body did not arrive within {TIMEOUT_S:.0f} seconds."
        raise RefusedError(408, "body_timeout", text) from None


async def _rest(message: Any, receive: Receive, maximum: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > maximum:
            raise too_large(maximum)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


def form(content_type: bytes | None, body: bytes) -> dict[str, str]:
    """The text fields of a url-encoded or multipart form; files are skipped.

    RefusedError 415 for any other content type, 400 for a malformed form or a repeated field.
    """
    kind, options = parse_options_header(content_type or b"")
    # Starlette decodes names and values with this charset.
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
        raise RefusedError(415, "unsupported_media_type", "The form must be UTF-8.")
    if kind == b"application/x-www-form-urlencoded":
        pairs = _urlencoded(body)
    elif kind == b"multipart/form-data":
        pairs = _multipart(options.get(b"boundary", b""), body)
    else:
        allowed = "multipart/form-data, application/x-www-form-urlencoded"
        text = f"The body must be a form; allowed content types: {allowed}."
        raise RefusedError(415, "unsupported_media_type", text)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _malformed("it repeats a field")
    return fields


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise _malformed("it is not url-encoded UTF-8") from None


class _Parts:
    """Collects the text fields that the multipart parser finds."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.ended = False
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._data = bytearray()
        self._keep = False

    def on_part_begin(self) -> None:
        self._disposition, self._data = b"", bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode()
        self._keep = b"filename" not in options and b"filename*" not in options

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._keep:
            self._data += data[start:end]
            if len(self._data) > _MAX_FIELD_BYTES:
                raise _malformed(f"it has a field of more than {_MAX_FIELD_BYTES} bytes")

    def on_part_end(self) -> None:
        if self._keep:
            self.pairs.append((self._name, self._data.decode()))
        if len(self.pairs) > _MAX_FIELDS:
            raise _malformed(f"it has more than {_MAX_FIELDS} fields")

    def on_end(self) -> None:
        self.ended = True


def _multipart(boundary: bytes, body: bytes) -> list[tuple[str, str]]:
    if not 1 <= len(boundary) <= 70:
        raise _malformed("its boundary must have 1 to 70 characters")
    parts = _Parts()
    names = [name for name in dir(parts) if name.startswith("on_")]
    callbacks = {name: getattr(parts, name) for name in names}
    try:
        parser = MultipartParser(boundary, cast(Any, callbacks))
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError):
        raise _malformed("it is not multipart with UTF-8 fields") from None
    if not parts.ended:
        raise _malformed("it is incomplete")
    return parts.pairs


def _malformed(why: str) -> RefusedError:
    return RefusedError(400, "invalid_form", f"The form cannot be read: {why}.")
