"""Where commands have no effect, advice is to edit the file: for every message of the rules."""

import pytest

from infra.settings.framework.edits import as_edits
from infra.settings.framework.problems import (
    error,
    key_path,
    remove_command,
    set_command,
)
from infra.settings.secret_keys import SECRET_KEYS
from tests.infra.validation.judged import judged
from tests.infra.validation.mutations import TRAPS, mutation

QUOTE = '"b\'"]'


@pytest.mark.parametrize(
    ("advice", "edit"),
    [
        (f"Type: {set_command('rayline:a.b', 8)}", "In F: set rayline:a.b to 8"),
        (f"Type: {set_command('rayline:a', 'x y')}", "In F: set rayline:a to x y"),
        (f"Type: {set_command('rayline:a', '1')}", "In F: set rayline:a to 1"),
        (f"Type: {remove_command(key_path('a', 'b.c'))}", 'In F: remove rayline:a["b.c"]'),
        (
            f"Type: {remove_command(key_path('a', 'b' + chr(39)))}",
            """In F: remove rayline:a["b'"]""",
        ),
        (
            f"Type: {remove_command('rayline:a')}, then: {set_command('rayline:b', True)}, or more",
            "In F: remove rayline:a, then set rayline:b to true, or more",
        ),
        (
            f"Raise it, or type: {set_command('rayline:a', 8)}",
            "Raise it, or in F: set rayline:a to 8",
        ),
        ("Make it shorter.", "Make it shorter."),
    ],
)
def test_a_command_becomes_an_edit(advice: str, edit: str) -> None:
    assert as_edits(error("rayline:a", advice), "F").message == edit


def test_a_secret_is_left_out() -> None:
    for key in SECRET_KEYS.values():
        message = as_edits(error("rayline:a", f"Type: {key.command}"), "F").message
        assert message.startswith(f"In F: leave rayline:{key.name}")


def test_no_message_keeps_a_command() -> None:
    for whole, facts in [*TRAPS, *map(mutation, range(200))]:
        for problem in judged(whole, facts).problems:
            message = as_edits(problem, "Pulumi.local.yaml").message
            assert "pulumi config" not in message, message
            assert "ype: " not in message, message
