"""The last line of defence: replaces anything that looks like a secret before anyone reads it.

Pulumi shows secret configuration and secret outputs as `[secret]`. This module covers secrets that
were never declared as such: a program that prints its environment, a token in a traceback.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ci import providers

REDACTED = "[redacted]"

_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|KUBECONFIG|AUTH|API_?KEY|_KEY(_|$)|_PAT$",
    re.IGNORECASE,
)
_MIN_LENGTH = 6
"""Characters. Replacing shorter values (`true`, `1`, `main`) would shred ordinary text."""
_LONG_WORD = 20
"""Characters. A longer word in a file of credentials counts as a key or token."""
_MAX_FILE_BYTES = 1 << 20

_PATTERNS = (
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
    ),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,}"),
    re.compile(r"\b(?:pul|hf|xox[abp])[-_][\w-]{16,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\$argon2[a-z]{1,2}\$[^\s\"']+"),
    re.compile(r"(?<=://)[^\s/:@\"']+:[^\s/@\"']+(?=@)"),
)


class Redactor:
    """Replaces the values of secret variables, and anything that looks like a secret, in a text."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        values = set(_secrets(environ))
        forms = values | {_base64(value) for value in values if len(value) > _MIN_LENGTH + 1}
        # The longest first: replacing a value inside a longer one would leave the rest behind.
        self._values = sorted(forms, key=len, reverse=True)
        shapes = (provider.token_shape for provider in providers.every())
        self._patterns = (*_PATTERNS, *(re.compile(shape) for shape in shapes))

    def __call__(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, REDACTED)
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text


def _secrets(environ: Mapping[str, str]) -> Iterable[str]:
    for name, value in environ.items():
        if _NAME.search(name):
            yield from _parts(value)
            yield from _parts(_content(value))


def _parts(value: str) -> Iterable[str]:
    """The value itself, and the long words of a value with several lines."""
    lines = [line.strip() for line in value.splitlines()]
    # A diff indents each line of a long text separately, so the whole would not match.
    candidates = {value.strip(), *(lines if len(lines) == 1 else [])}
    if len(lines) > 1:
        words = (word.strip("\"',") for line in lines for word in line.split())
        candidates |= {word for word in words if len(word) >= _LONG_WORD}
    for candidate in candidates:
        # Addresses and paths are not secret, and the reader needs them.
        public = candidate.startswith(("http://", "https://", "/")) and "@" not in candidate
        if len(candidate) >= _MIN_LENGTH and not public:
            yield candidate


def _content(value: str) -> str:
    """The content of the file that a variable names, such as KUBECONFIG; else an empty text."""
    try:
        path = Path(value)
        if path.is_file() and path.stat().st_size <= _MAX_FILE_BYTES:
            return path.read_text(errors="replace")
    except (OSError, ValueError):  # too long for a path, or a null byte
        pass
    return ""


def _base64(value: str) -> str:
    """The form in which the `data` of a Kubernetes Secret contains it."""
    return base64.b64encode(value.encode()).decode()
