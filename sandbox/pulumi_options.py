"""Which of Pulumi's commands take the options that select a stack and its file.

A test compares the tables with the help texts of the pinned Pulumi.
"""

from collections.abc import Sequence

WITH_CONFIG_FILE = frozenset(
    {"config", "destroy", "import", "logs", "preview", "refresh", "up", "update", "watch"}
)
WITH_STACK = frozenset({"about", "cancel", "console", "new", "stack", "state"}) | WITH_CONFIG_FILE
_WITHOUT = frozenset({"move", "upgrade"})
"""Commands below `state` without a stack."""


def options(arguments: Sequence[str], stack: str, file: str) -> list[str]:
    """The options to append to `arguments` so that the command concerns that stack and its file."""
    command = next((word for word in arguments if word in WITH_STACK), None)
    alone = tuple(arguments[-1:]) == ("state",)
    if command is None or alone or _WITHOUT.intersection(arguments) or _asks_help(arguments):
        return []
    chosen = ["--stack", stack]
    return [*chosen, "--config-file", file] if command in WITH_CONFIG_FILE else chosen


def _asks_help(arguments: Sequence[str]) -> bool:
    """Whether Pulumi only prints a help text."""
    return bool({"--help", "-h"}.intersection(arguments))


def beside_state(arguments: Sequence[str]) -> bool:
    """Whether the command edits or deletes the stack file that belongs to its project."""
    return next((word for word in arguments if not word.startswith("-")), "") == "stack"
