"""The last line of defence: what looks like a secret leaves the text before anyone reads it.

Pulumi shows secret configuration and secret outputs as `[secret]`. This is for what was never
declared one: a program that prints its environment, a traceback with a token in it.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

REDACTED = "[redacted]"

_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|KUBECONFIG|AUTH|API_?KEY|_KEY(_|$)|_PAT$",
    re.IGNORECASE,
)
_SHORTEST = 6
"""Characters. Shorter values (`true`, `1`, `main`) would shred ordinary text."""
_LONG_WORD = 20
"""Characters of a word in a file of credentials that is taken for a key or token."""
_LARGEST_FILE = 1 << 20

_PATTERNS = (
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
    ),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,}"),
    re.compile(r"\b(?:gh[opsur]|github_pat|glpat|glptt|gldt|pul|hf|xox[abp])[-_][\w-]{16,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\$argon2[a-z]{1,2}\$[^\s\"']+"),
    re.compile(r"(?<=://)[^\s/:@\"']+:[^\s/@\"']+(?=@)"),
)


class Redactor:
    """Takes the values of secret variables, and what has the shape of a secret, out of a text."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        values = set(_secrets(environ))
        forms = values | {_base64(value) for value in values if len(value) > _SHORTEST + 1}
        # The longest first: a value that holds another one must not leave its rest behind.
        self._values = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, REDACTED)
        for pattern in _PATTERNS:
            text = pattern.sub(REDACTED, text)
        return text


def _secrets(environ: Mapping[str, str]) -> Iterable[str]:
    for name, value in environ.items():
        if _NAME.search(name):
            yield from _parts(value)
            yield from _parts(_content(value))


def _parts(value: str) -> Iterable[str]:
    """The value, each of its lines, and the long words of one with several lines."""
    lines = [line.strip() for line in value.splitlines()]
    # A diff indents each line of a long text for itself.
    candidates = {value.strip(), *(lines if len(lines) == 1 else [])}
    if len(lines) > 1:
        words = (word.strip("\"',") for line in lines for word in line.split())
        candidates |= {word for word in words if len(word) >= _LONG_WORD}
    for candidate in candidates:
        # A server's address is no secret, and a reader needs it. A path neither.
        public = candidate.startswith(("http://", "https://", "/")) and "@" not in candidate
        if len(candidate) >= _SHORTEST and not public:
            yield candidate


def _content(value: str) -> str:
    """Of the file that a variable names, such as KUBECONFIG or a file variable of GitLab."""
    try:
        path = Path(value)
        if path.is_file() and path.stat().st_size <= _LARGEST_FILE:
            return path.read_text(errors="replace")
    except (OSError, ValueError):  # too long for a path, or a null byte
        pass
    return ""


def _base64(value: str) -> str:
    """As the `data` of a Kubernetes Secret holds it."""
    return base64.b64encode(value.encode()).decode()
