"""Advice as edits of a file, for a stack whose file `pulumi config` does not change.

The sandbox writes the stack file of its stack `local` anew for each command, from the file in the
checkout, so a value that `pulumi config set` writes is lost.
"""

import re

from infra.settings.framework.problems import ConfigurationError, Problem

_WORD = r"(?:'[^']*'(?:\"'\"'[^']*')*|[^\s',;)]*[^\s',;).:])"
_SECRET = re.compile(
    rf"(?:rayline users \w+ \| )?pulumi config set --secret(?: --path)? (?P<key>{_WORD})"
)
_SET = re.compile(
    rf"pulumi config set --path (?P<key>{_WORD})(?: --plaintext)?(?: --type string)?(?: --)? "
    rf"(?P<value>{_WORD})"
)
_REMOVE = re.compile(rf"pulumi config rm(?: --path)? (?P<key>{_WORD})")

_IN = {"T": "In", "t": "in"}


def as_edits(problem: Problem, file: str) -> Problem:
    """The problem with "set KEY to VALUE" in place of commands."""
    message = _SECRET.sub(
        lambda found: f"leave {_plain(found['key'])} out, as this stack stores no secrets",
        problem.message,
    )
    message = _SET.sub(
        lambda found: f"set {_plain(found['key'])} to {_plain(found['value'])}", message
    )
    message = _REMOVE.sub(lambda found: f"remove {_plain(found['key'])}", message)
    if message != problem.message:
        message = message.replace(", then: ", ", then ")
        message = re.sub(r"\b([Tt])ype: ", lambda found: f"{_IN[found[1]]} {file}: ", message)
    return Problem(problem.severity, problem.key, message)


def edits(failure: ConfigurationError, file: str) -> ConfigurationError:
    """The same error with `as_edits` of each problem."""
    return ConfigurationError([as_edits(problem, file) for problem in failure.problems])


def _plain(word: str) -> str:
    return word[1:-1].replace("'\"'\"'", "'") if word.startswith("'") else word
