"""The JSON body of a request: read once, in bounded time, as the engine would read it.

vLLM's routes read a body with FastAPI, and FastAPI with `json.loads`. msgspec reads the same
documents in a fraction of the time and accepts fewer: no NaN, Infinity or number too large for a
float, no lone surrogates, no byte order mark, UTF-8 only. Of a name that an object has twice, both
readers keep the last value. tests/app/guard/test_json_body.py compares the two.

msgspec holds Python's global lock while it reads, so a thread would not help. The time that it
takes depends on the number of items in the document, which `read` therefore bounds first.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.errors import RefusedError

MEMBER_ITEMS = 4
"""Items for which a list, an object and a member of an object count; an entry of a list is one."""
SLICE_BYTES = 512 * 1024
"""Bytes that are counted before other requests get a turn: less than a millisecond."""
SMALL_SLICE_BYTES = 64 * 1024
"""The same where texts have to be told from structure."""
_ITEM, _MEMBER, _DIGIT, _OTHER = b",{0 "
_CLASSES = bytes(
    _ITEM if byte in b","
    else _MEMBER if byte in b"[{:"
    else _DIGIT if byte in b"0123456789"
    else _OTHER
    for byte in range(256)
)  # fmt: skip
_LONG = 19
"""The least number of digits of an integer that 64 bits cannot contain."""
_LONG_DIGITS = bytes([_DIGIT]) * _LONG
_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19,}(?![0-9.eE])")
_LONGEST_NUMBER = 1000
_SOME_ITEMS = 10_000
_decode = msgspec.json.Decoder().decode


async def read(body: bytes, max_items: int) -> dict[str, Any]:
    """The object that the body contains.

    Raises RefusedError 400 for a body that is not acceptable JSON, for more than `max_items` items
    (see `MEMBER_ITEMS`), and for an integer of more than 64 bits, which vLLM 0.32 accepts and then
    fails on (500).
    """
    items, long_numbers = await _glance(body)
    if items > max_items or long_numbers:  # or a text contains what looks like them
        await _examine(body, max_items)
    try:
        document = _decode(body)
    except RecursionError:
        raise RefusedError(400, "out_of_bounds", "The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise _unacceptable("it is not UTF-8") from None
    except msgspec.DecodeError as error:
        # msgspec's message contains a position, and no part of the body.
        problem = str(error).removeprefix("JSON is malformed: ").partition(" - at ")[0]
        if "surrogate" in problem or "truncated" in problem:
            problem = "it ends too early, or a text in it contains half of a surrogate pair"
        raise _unacceptable(problem[:1].lower() + problem[1:]) from None
    if type(document) is not dict:
        raise RefusedError(400, "invalid_json", "The body must be a JSON object.")
    if len(body) > SLICE_BYTES or items > _SOME_ITEMS:
        await asyncio.sleep(0)  # what follows looks at the document, which takes time too
    return document


def with_members(body: bytes, is_empty: bool, members: Mapping[str, Any]) -> bytes:
    """The object in `body` with these members added or replaced, otherwise byte for byte.

    They are written last, and of two members with one name a reader keeps the last. `is_empty`: the
    object has no member of its own. The body is copied once, because it may be large.
    """
    if not members:
        return body
    start = memoryview(body)[: body.rindex(b"}")]
    return b"".join((start, b"" if is_empty else b",", json.dumps(members).encode()[1:]))


async def _glance(body: bytes) -> tuple[int, bool]:
    """An upper bound of the items, and whether there may be an integer of more than 64 bits.

    It takes texts for structure, so that it never needs to find out where a text ends.
    """
    items, long_numbers = 1, False
    for start in range(0, len(body), SLICE_BYTES):
        if start:
            await asyncio.sleep(0)
        classes = body[start : start + SLICE_BYTES + _LONG].translate(_CLASSES)
        items += classes.count(_ITEM, 0, SLICE_BYTES)
        items += classes.count(_MEMBER, 0, SLICE_BYTES) * MEMBER_ITEMS
        long_numbers = long_numbers or _LONG_DIGITS in classes
    return items, long_numbers


async def _examine(body: bytes, max_items: int) -> None:
    """Refuse too many items and too large integers; texts are left out."""
    items, number = 1, b""
    for piece in _outside_of_texts(body):
        await asyncio.sleep(0)
        classes = piece.translate(_CLASSES)
        items += classes.count(_ITEM) + classes.count(_MEMBER) * MEMBER_ITEMS
        if items > max_items:
            problem = (
                f"The body has more than {max_items} items of JSON; a list, an object and each "
                f"member of an object count as {MEMBER_ITEMS}, an entry of a list as one."
            )
            raise RefusedError(400, "out_of_bounds", problem)
        text = number + piece
        number = text[len(text.rstrip(b"0123456789+-.eE")) :]  # it may go on in the next slice
        if len(number) > _LONGEST_NUMBER:
            raise _unacceptable(f"it has a number of more than {_LONGEST_NUMBER} characters")
        _check_integers(text[: len(text) - len(number)])
    _check_integers(number)


def _check_integers(text: bytes) -> None:
    for found in _LONG_INTEGER.finditer(text):
        digits = found.group()
        if len(digits) > _LONG + 1 or not -(2**63) <= int(digits) < 2**63:
            problem = "The body contains an integer of more than 64 bits."
            raise RefusedError(400, "out_of_bounds", problem)


def _outside_of_texts(body: bytes) -> Iterator[bytes]:
    """The JSON without its texts, in slices; what is no JSON may be anything."""
    inside, start = False, 0
    while start < len(body):
        piece = body[start : start + SMALL_SLICE_BYTES]
        backslashes = len(piece) - len(piece.rstrip(b"\\"))
        if backslashes % 2 and len(piece) > 1:
            piece = piece[:-1]  # the last one escapes the first character of the next slice
        start += len(piece)
        # Escaped backslashes first: the quote in \\" ends a text, the one in \" does not.
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        yield b'"'.join(parts[inside::2])
        inside ^= len(parts) % 2 == 0


def _unacceptable(problem: str) -> RefusedError:
    return RefusedError(400, "invalid_json", f"The body is not acceptable JSON: {problem}.")
