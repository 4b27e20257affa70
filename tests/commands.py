"""The commands in messages, and what typing them does to a stack file.

Values are by key without `rayline:`; an encrypted value is `{"secure": "<plain text>"}`.
"""

import argparse
import copy
import re
import shlex
from collections.abc import Mapping
from typing import Any, NoReturn

from tests.stacks import Location, put, remove

# Words as a shell reads them; a quote inside a quoted word is written '"'"'.
_WORD = r"(?:'[^']*'(?:\"'\"'[^']*')*|[^\s',;)]*[^\s',;).:])"
_COMMAND = (
    rf"(?:rayline users \w+ \| )?pulumi config (?:set|rm)(?: --secret)?(?: --path)? {_WORD}"
    rf"(?: --plaintext)?(?: --type \w+)?(?: --)?(?: (?!or |then |which ){_WORD})?"
)
_CHAIN = re.compile(rf"{_COMMAND}(?:, then: {_COMMAND})*")
_PART = re.compile(r'\.?([^.\[\]"]+)|\[(\d+)\]|\["((?:\\"|[^"])*)"\]')
_PIPED = {"rayline users key": "0123456789abcdef" * 4, "rayline users hash": "0" * 96}
"""What the commands before a pipe print."""
_ENTERED = "entered-at-the-prompt-0123456789abcdef"


def chains(message: str) -> list[list[str]]:
    """Each advice of a message: commands to type one after the other. A message that offers two
    ways has two; an advice with a placeholder in <> is left out."""
    found = (match[0] for match in _CHAIN.finditer(message))
    return [
        re.split(r", then: (?=rayline |pulumi )", chain)
        for chain in found
        if not re.search(r"<[^>]*>", chain)
    ]


def advised(message: str) -> list[str]:
    """The first advice of a message; empty if there is none without a placeholder."""
    return next(iter(chains(message)), [])


def typed(whole: Mapping[str, Any], commands: list[str]) -> dict[str, Any]:
    """A copy after the commands. Without `--path`, Pulumi stores any value as a text."""
    changed = copy.deepcopy(dict(whole))
    for command in commands:
        piped, _, last = command.rpartition(" | ")
        words = shlex.split(last)
        verb, given = words[2], _ARGUMENTS.parse_intermixed_args(words[3:])
        location = path_of(given.key) if given.path else (given.key.removeprefix("rayline:"),)
        if verb == "rm":
            assert given.value is None, command
            remove(changed, location)
        elif given.secret:
            assert given.value is None, f"a secret in the shell's history: {command}"
            put(changed, location, {"secure": _PIPED[piped] if piped else _ENTERED})
        else:
            is_text = given.type == "string" or not given.path
            put(changed, location, given.value if is_text else _parsed(given.value))
    return changed


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise AssertionError(message)


_ARGUMENTS = _Arguments(allow_abbrev=False)
_ARGUMENTS.add_argument("--path", action="store_true")
_ARGUMENTS.add_argument("--secret", action="store_true")
_ARGUMENTS.add_argument("--type", choices=("string",))
_ARGUMENTS.add_argument("--plaintext", action="store_true")
_ARGUMENTS.add_argument("key")
_ARGUMENTS.add_argument("value", nargs="?")


def path_of(key: str) -> Location:
    """The parts of a path as Pulumi parses it: rayline:userHashes["jane.doe"]."""
    parts = _PART.findall(key.removeprefix("rayline:"))
    return tuple(
        int(number) if number else name or quoted.replace('\\"', '"')
        for name, number, quoted in parts
    )


def _parsed(text: str) -> Any:
    """Pulumi's reading of a value under --path: a truth value, a whole number that Go's Atoi takes
    (unless it begins with 0), or a text."""
    if text in ("true", "false"):
        return text == "true"
    is_number = re.fullmatch(r"[-+]?[0-9]+", text) and not re.match(r"0.", text)
    return int(text) if is_number and abs(int(text)) < 2**63 else text
