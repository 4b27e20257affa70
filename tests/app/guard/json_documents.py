"""JSON bodies that are costly, or that two parsers might read differently."""

MAX_BYTES = 12 * 1024 * 1024
"""A picture of 8 MB in base64, and what is around it."""
MAX_ITEMS = 256 * 1024


def in_list(entry: bytes, items_each: int) -> bytes:
    """As many entries as the bounds of bytes and items allow, in one list."""
    count = min((MAX_ITEMS - 20) // items_each, (MAX_BYTES - 10) // (len(entry) + 1))
    return b'{"a":[' + b",".join([entry] * count) + b"]}"


def in_text(part: bytes) -> bytes:
    """One text of the largest size."""
    return b'{"a":"' + part * ((MAX_BYTES - 8) // len(part)) + b'"}'


def members(name: bytes) -> bytes:
    """As many different members as the bound of items allows, in one object."""
    count = (MAX_ITEMS - 20) // 5
    return b"{" + b",".join(b'"%s%d":0' % (name, number) for number in range(count)) + b"}"


def accepted() -> dict[str, bytes]:
    """The worst documents of each kind that are just inside the bounds."""
    return {
        "a picture": in_text(b"iVBORw0K"),
        "Cyrillic": in_text("д".encode()),
        "emoji": in_text("😀".encode()),
        "escaped Cyrillic": in_text(b"\\u0434"),
        "escaped emoji": in_text(b"\\ud83d\\ude00"),
        "escaped lines": in_text(b"\\n"),
        "a letter and an escaped line": in_text(b"a\\n"),
        "escaped quotes": in_text(b'\\"'),
        "escaped backslashes": in_text(b"\\\\"),
        "JSON in a text": in_text(b',{\\"a\\":1}'),
        "digits in a text": in_text(b"1"),
        "numbers": in_list(b"0", 1),
        "token ids": in_list(b"128000", 1),
        "long fractions": in_list(b"0." + b"123456789" * 4, 1),
        "the longest integers": in_list(b"9223372036854775807", 1),
        "texts": in_list(b'"token"', 1),
        "texts with commas": in_list(b'",,,,"', 1),
        "empty lists": in_list(b"[]", 5),
        "empty objects": in_list(b"{}", 5),
        "objects": in_list(b'{"a":0}', 9),
        "members": members(b"k"),
        "members with long names": members(b"k" * 60),
    }


def refused() -> dict[str, bytes]:
    """The worst documents of each kind that are outside the bounds."""
    half = MAX_BYTES // 2
    return {
        "too many numbers": b'{"a":[' + b"0," * half + b"0]}",
        "too many lists": b'{"a":[' + b"[]," * (half // 2) + b"0]}",
        "too many texts": b'{"a":[' + b'"",' * (half // 2) + b"0]}",
        "nested": b'{"a":' + b"[" * MAX_BYTES,
        "nested objects": b'{"a":' * (MAX_BYTES // 5),
        "quotes": b'{"a":"' + b'"' * MAX_BYTES,
        "backslashes": b'{"a":' + b"\\" * MAX_BYTES,
        "large integers": b'{"a":[' + b",".join([b"9" * 400] * (MAX_BYTES // 401)) + b"]}",
        "one large integer": b'{"a":' + b"9" * MAX_BYTES + b"}",
        "one long fraction": b'{"a":0.' + b"1" * MAX_BYTES + b"}",
        "an open text": b'{"a":"' + b"A" * MAX_BYTES,
    }


ODD = [
    *(
        b'{"a":1,"a":2}',
        b'{"a":{"b":1},"a":null}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":[{"b":1,"b":[]}]}',
    ),
    *(b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e400}', b'{"a":1e-400}'),
    *(b'{"a":-0}', b'{"a":-0.0}', b'{"a":01}', b'{"a":1.}', b'{"a":.5}', b'{"a":+1}', b'{"a":1E5}'),
    *(b'{"a":9007199254740993.0}', b'{"a":12345678901234567890.5}', b'{"a":1e19}', b'{"a":1.0}'),
    *(b'{"a":9223372036854775807}', b'{"a":9223372036854775808}', b'{"a":-9223372036854775808}'),
    *(b'{"a":-9223372036854775809}', b'{"a":18446744073709551616}', b'{"a":' + b"9" * 5000 + b"}"),
    *(b'{"a":"\\ud800"}', b'{"a":"\\udc00x"}', b'{"a":"\\ud83d\\ude00"}', b'{"a":"\xed\xa0\x80"}'),
    *(b'{"a":"\xff"}', b'{"a":"\xc0\x80"}', b'{"a":"\x01"}', b'{"a":"\t"}', b'{"a":"\x7f"}'),
    *(b'{"a\\u0000":"\\u0000"}', b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a":"\\/"}', b'{"":""}'),
    *(b'\xef\xbb\xbf{"a":1}', '{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-16-le")),
    *('{"a":1}'.encode("utf-32-be"), b' {"a":1}\n\t\r ', b'{"a":1}\x00', b'{"a":1}x', b'{"a":1},'),
    *(b'{"a":1,}', b'\x0b{"a":1}', b'\xc2\xa0{"a":1}', b'{"a":tru}', b"{a:1}", b"{'a':1}"),
    *(b'{"a":/**/1}', b"", b" ", b"[", b"null", b'"x"', b"1", b"[]", b"{", b"{}", b"{} {}"),
    *(b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", b'{"a":' * 3000 + b"1" + b"}" * 3000),
]
"""Bodies on which JSON parsers are known to disagree."""
