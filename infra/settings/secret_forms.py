"""The forms of the encrypted values that the service reads, as app.auth accepts them.

Each function returns what is wrong with a value, or None. The text never contains the value.
`app` cannot be imported here; tests/infra/parity compares the two.
"""

import re

_SALTED_SHA256 = re.compile(r"[0-9a-f]{32}[:$]?[0-9a-f]{64}")
"""The hashes of the original hand-made deployment (docs/origin.md): a 16-byte salt and a SHA-256,
both in hex."""
_ARGON2ID = re.compile(
    r"\$argon2id\$v=[0-9]{1,9}\$m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})"
    r"\$([A-Za-z0-9+/]{11,1024})\$([A-Za-z0-9+/]{6,1024})"
)
"""With the shortest salt (8 bytes) and tag (4 bytes) that argon2 accepts (RFC 9106, 3.1)."""
_MAXIMUM_KIB, _MAXIMUM_PASSES = 256 * 1024, 10
"""What one login may cost: the limits of app.auth.passwords."""

_MINIMUM_KEY_BYTES, _MINIMUM_DISTINCT = 32, 8
_PUBLISHED_KEYS = frozenset(
    {
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "a-string-secret-at-least-256-bits-long",
        "your-256-bit-secret-your-256-bit-secret",
        "your-secret-key-your-secret-key-your-secret-key",
        "secret-key-that-is-at-least-32-bytes-long",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
    }
)
"""Keys of tutorials, which app.auth.config refuses."""
_PLACEHOLDER = re.compile(
    r"(change[-_ ]?(me|this|it)|your[-_ ]|placeholder|default[-_ ]|example|insert[-_ ]|"
    r"my[-_ ]?(super[-_ ]?)?secret|super[-_ ]?secret|secret[-_ ]?key|jwt[-_ ]?(key|secret))",
    re.IGNORECASE,
)


def hash_problem(value: str) -> str | None:
    """Of a password's hash: argon2id, or the salted SHA-256 of older installations."""
    stored = value.strip()
    if _SALTED_SHA256.fullmatch(stored):
        return None
    found = _ARGON2ID.fullmatch(stored)
    # Of base64 without padding, a length of 4n + 1 cannot be decoded.
    if found is None or any(len(part) % 4 == 1 for part in found.groups()[3:]):
        return (
            "is neither an argon2id hash ($argon2id$...) nor a salted SHA-256 (32 + 64 hex digits)"
        )
    memory, passes, lanes = (int(number) for number in found.groups()[:3])
    if memory > _MAXIMUM_KIB or passes > _MAXIMUM_PASSES:
        return (
            f"costs {memory} KiB and {passes} passes per login; allowed: up to {_MAXIMUM_KIB} KiB "
            f"and {_MAXIMUM_PASSES} passes"
        )
    if not passes or not lanes or memory < 8 * lanes:
        return "has parameters that argon2 does not accept, so no password would match"
    return None


def jwt_key_problem(value: str) -> str | None:
    """Of a key that signs tokens."""
    key = value.strip()
    size = len(key.encode())
    if size < _MINIMUM_KEY_BYTES:
        return f"has {size} bytes; at least {_MINIMUM_KEY_BYTES} are required"
    if key in _PUBLISHED_KEYS or _PLACEHOLDER.search(key):
        return "is a placeholder or a published example"
    if len(set(key)) < _MINIMUM_DISTINCT:
        return f"has fewer than {_MINIMUM_DISTINCT} different characters"
    return None


def previous_keys_problem(value: str) -> str | None:
    """Of keys that are separated by commas or white space."""
    keys = value.replace(",", " ").split()
    for number, key in enumerate(keys, 1):
        if problem := jwt_key_problem(key):
            count = "1 key" if len(keys) == 1 else f"{len(keys)} keys"
            return f"contains {count}, of which number {number} {problem}"
    return None
