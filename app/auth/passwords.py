"""Password hashes: argon2id, and the salted SHA-256 of older installations.

The older form is the 32 hex digits of a salt followed by the 64 hex digits of
SHA-256(salt + password), both parts as text, optionally with `:` or `$` between them. It is
accepted and reported as weak: a graphics card tries billions of such hashes per second.

Passwords are hashed in Unicode's form NFKC, because keyboards and systems write the same character
in different ways (NIST SP 800-63B, 3.1.1.2). A hash of a password as it was typed is accepted too.
"""

import hashlib
import hmac
import re
import unicodedata

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import ConfigurationError

MEMORY_KIB, TIME, LANES = 19 * 1024, 2, 1
"""OWASP's parameters for argon2id: about 35 ms and 19 MiB per verification."""
MAX_PASSWORD_BYTES = 1024
_MAX_MEMORY_KIB, _MAX_TIME = 256 * 1024, 10
_SALTED_SHA256 = re.compile(r"([0-9a-f]{32})[:$]?([0-9a-f]{64})")
_hasher = argon2.PasswordHasher(time_cost=TIME, memory_cost=MEMORY_KIB, parallelism=LANES)
_DUMMY = _hasher.hash("no user has this password")
_NO_DIGEST = "0" * (32 + 64)
"""Stands in for a salted SHA-256; no password has this digest."""


def normal(text: str) -> str:
    """A password or a user name in the form in which it is hashed or compared."""
    return unicodedata.normalize("NFKC", text)


def hash_password(password: str) -> str:
    """An argon2id hash of a new password; ValueError for one that is too short or too long."""
    password = normal(password)
    size = len(password.encode())
    if not 8 <= size <= MAX_PASSWORD_BYTES:
        raise ValueError(f"the password has {size} bytes; allowed: 8 to {MAX_PASSWORD_BYTES}")
    return _hasher.hash(password)


def weakness(stored: str) -> str | None:
    """Why an accepted hash should be replaced, or None for a good one.

    ConfigurationError for a hash that is not accepted; the message never repeats the hash.
    """
    if _SALTED_SHA256.fullmatch(stored):
        return "salted SHA-256 can be guessed quickly; replace it with: python -m app.users hash"
    try:
        cost = argon2.extract_parameters(stored)
    except InvalidHashError:
        cost = None
    if cost is None or cost.type is not argon2.Type.ID or not stored.isascii():
        raise ConfigurationError(
            "the hash is neither argon2id ($argon2id$...) nor salted SHA-256 "
            "(32 + 64 hex digits); create one with: python -m app.users hash"
        )
    if cost.memory_cost > _MAX_MEMORY_KIB or cost.time_cost > _MAX_TIME:
        raise ConfigurationError(
            f"the argon2id hash costs {cost.memory_cost} KiB and {cost.time_cost} passes per "
            f"login; allowed: up to {_MAX_MEMORY_KIB} KiB and {_MAX_TIME} passes"
        )
    if (cost.memory_cost, cost.time_cost, cost.parallelism) != (MEMORY_KIB, TIME, LANES):
        return (
            f"argon2id with m={cost.memory_cost}, t={cost.time_cost}, p={cost.parallelism} has "
            "a different duration from the others; recommended: "
            f"m={MEMORY_KIB}, t={TIME}, p={LANES}"
        )
    return None


def verify(stored: str | None, password: str) -> bool:
    """Whether the password is correct; `stored` is None for a user who does not exist.

    Every call does one argon2id verification and one SHA-256, or two where the password is not in
    NFKC. That depends on the given password only, and neither on the user nor on the stored form,
    so its duration reveals neither. It blocks for 35 ms or 70 ms: call it off the event loop.
    """
    # A list, not a generator: a right password must take as long as a wrong one.
    return any([_matches(stored or "", form) for form in {normal(password), password}])  # noqa: C419


def _matches(stored: str, password: str) -> bool:
    is_argon2 = stored.startswith("$argon2id$")
    is_salted = _SALTED_SHA256.fullmatch(stored) is not None
    argon2_right = _argon2(stored if is_argon2 else _DUMMY, password)
    salted_right = _salted_sha256(stored if is_salted else _NO_DIGEST, password)
    return (is_argon2 and argon2_right) or (is_salted and salted_right)


def _salted_sha256(stored: str, password: str) -> bool:
    salt, expected = stored[:32], stored[-64:]
    digest = hashlib.sha256((salt + password).encode()).hexdigest()
    return hmac.compare_digest(digest, expected)


def _argon2(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
