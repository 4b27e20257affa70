"""The options for the stack `local`; tests/cluster compares them with Pulumi's help texts."""

import pytest

from sandbox.pulumi_options import beside_state, options


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("preview --diff", ["--stack", "s", "--config-file", "f"]),
        ("--color never preview", ["--stack", "s", "--config-file", "f"]),
        ("cancel --yes", ["--stack", "s"]),
        ("stack output passwords", ["--stack", "s"]),
        ("version", []),
        ("whoami", []),
        ("cancel --help", []),
    ],
)
def test_options(arguments: str, expected: list[str]) -> None:
    assert options(arguments.split(), "s", "f") == expected


def test_commands_that_edit_the_stack_file_run_beside_the_state() -> None:
    assert beside_state(("--non-interactive", "stack", "rm"))
    assert not beside_state(("preview",))
