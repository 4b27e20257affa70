"""Reads forms, without files on disk."""

from typing import Any, cast
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import RefusedError

_MAX_FIELDS, _MAX_FIELD_BYTES = 64, 8192


def form(content_type: bytes | None, body: bytes) -> dict[str, str]:
    """The text fields of a url-encoded or multipart form; files are skipped.

    RefusedError 415 for any other content type, 400 for a malformed form or a repeated field.
    """
    kind, options = parse_options_header(content_type or b"")
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
