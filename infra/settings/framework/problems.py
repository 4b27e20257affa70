"""Mistakes in a configuration, as text for the person who wrote it."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

# What Pulumi reads as a truth value or a whole number under --path (strconv.Atoi; not 007).
_CONVERTED = re.compile(r"true|false|0|[-+]?[1-9][0-9]{0,18}|[-+]0[0-9]{0,18}")
_PLAIN = re.compile(r"[A-Za-z0-9./_-]+")
_SECRET_SOUND = re.compile(r"pass|secret|(?<!per)token", re.IGNORECASE)

Severity = Literal["error", "warning", "hint"]


@dataclass(frozen=True)
class Problem:
    """One mistake, or one hint. `key` is spelled as users type it:
    `rayline:models[0].tensorParallel`; `message` states what was given, what is allowed and what
    to type. It never contains a secret's value."""

    severity: Severity
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key} {self.message}"


class ConfigurationError(Exception):
    """The configuration cannot be used. The text lists every problem at once, one line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = [f"The stack configuration has {count}:", *(f"  - {p}" for p in problems)]
        super().__init__("\n".join(lines))


def error(key: str, message: str) -> Problem:
    """A problem that stops a preview or `up`."""
    return Problem("error", key, message)


def warning(key: str, message: str) -> Problem:
    """A problem that is only shown."""
    return Problem("warning", key, message)


def hint(key: str, message: str) -> Problem:
    """Nothing is wrong, but something else would probably be better."""
    return Problem("hint", key, message)


def key_path(*parts: str | int) -> str:
    """A path as `pulumi config set --path` takes it: rayline:ray.labels["example.com/team"]."""
    text = f"rayline:{parts[0]}"
    for part in parts[1:]:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "").replace("-", "").isalnum():
            text += f".{part}"
        else:
            escaped = part.replace('"', '\\"')
            text += f'["{escaped}"]'
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def set_command(key: str, value: object) -> str:
    """The command that sets a key; placeholders in <> are for the reader to replace.

    A text that looks like a whole number or truth value gets `--type string`, because Pulumi would
    store it as such. A key that sounds like a secret gets `--plaintext`, because Pulumi would
    refuse most values of it (looksLikeSecret of
    https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/cmd/pulumi/config/config.go).
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    kind = " --type string" if isinstance(value, str) and _CONVERTED.fullmatch(text) else ""
    if not kind and _SECRET_SOUND.search(key) and not _CONVERTED.fullmatch(text):
        kind = " --plaintext"
    end = " --" if text.startswith("-") else ""
    shown = text if _PLAIN.fullmatch(text) else shlex.quote(text)
    return f"pulumi config set --path {_quoted(key)}{kind}{end} {shown}"


def remove_command(key: str) -> str:
    """The command that removes a key."""
    return f"pulumi config rm --path {_quoted(key)}"


def can_be_typed(*parts: str | int) -> bool:
    r"""Whether a command can name the key: no control characters, and no \ before a quote."""
    texts = [part for part in parts if isinstance(part, str)]
    return all(t.isprintable() and '\\"' not in t and not t.endswith("\\") for t in texts)


def _quoted(key: str) -> str:
    return shlex.quote(key) if "'" in key else f"'{key}'"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant. Case and underscores do not count as differences."""

    def plain(name: str) -> str:
        return name.replace("_", "").replace("-", "").lower()

    names = {plain(name): name for name in known}
    close = get_close_matches(plain(name), names, n=1, cutoff=0.6)
    return names[close[0]] if close else None


def listed(names: Iterable[object]) -> str:
    """Names for a sentence: a, b, c; or `none`."""
    return ", ".join(str(name) for name in names) or "none"
