"""What applies when files of the auth-config are damaged or gone: removals do, and nothing is
gained.

- A damaged file (`app.auth.files`) keeps the last text that could be read. From what could be read
  of a damaged list, removals still apply: a user whose alias no longer occurs in it is removed, and
  every word of it revokes.
- A file that is gone takes away what it granted: a user without a password, a previous key. A file
  that must exist or that restricts (`_KEPT`) keeps its last text instead, because its absence would
  remove everybody or grant more than before.
"""

import re
from collections.abc import Mapping

from app.auth.config import words
from app.auth.files import Contents

_LIST, _REVOKED = "USER_LIST", "REVOKED_SERVICE_TOKENS"
_KEPT = (_LIST, _REVOKED, "ACCESS_TOKEN_EXPIRE_MINUTES", "JWT_KEY", "ROLES")
_WORD = re.compile(rb"[A-Za-z0-9._-]+")


def mended(before: Mapping[str, str], found: Contents) -> tuple[dict[str, str], list[str]]:
    """The texts to use after a change, and what the log should say: names of files and what is
    wrong with them, never their content. `before` are the texts in use until now."""
    values = dict(found.texts)
    problems = []
    for name, damage in found.damages.items():
        problems.append(f"{name} {damage.problem}; its last content remains in use")
        values[name] = _text(name, before.get(name, ""), damage.content)
    for name in _KEPT:
        if before.get(name) and name not in values:
            problems.append(
                f"{name} is gone; its last content remains in use until the file exists again, "
                "possibly empty"
            )
            values[name] = before[name]
    return values, problems


def _text(name: str, before: str, content: bytes) -> str:
    # Without zero bytes, because editors of Windows may have written UTF-16.
    readable = {word.decode() for word in _WORD.findall(content.replace(b"\0", b""))}
    if name == _REVOKED:
        return " ".join([*words(before), *sorted(readable)])
    if name == _LIST:
        left = [alias for alias in words(before) if alias in readable]
        return " ".join(left) or before
    return before
