"""The options for the stack `local`, against the help texts of the pinned Pulumi."""

import os
import re
import subprocess

from sandbox import paths
from sandbox.pulumi_options import options

HIDDEN = ("update",)
"""An alias that the list of commands omits."""
CLOUD = ("neo",)
"""Commands of Pulumi Cloud, which has no stack `local`."""


def help_of(*command: str) -> str:
    environ = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    return subprocess.run(
        [str(paths.BIN / "pulumi"), *command, "--help"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def listed(text: str) -> list[str]:
    return [
        word
        for section in re.findall(r"Commands:\n((?:  \S.*\n)+)", text)
        for word in re.findall(r"^  (\S+)", section, re.MULTILINE)
    ]


def test_every_command_gets_the_options_that_it_takes(sandbox_up: None) -> None:
    commands: list[tuple[str, ...]] = [(name,) for name in (*listed(help_of()), *HIDDEN)]
    commands += [("stack", name) for name in listed(help_of("stack"))]
    commands += [("state", name) for name in listed(help_of("state"))]
    commands += [("config", name) for name in listed(help_of("config"))]
    assert len(commands) > 60
    for command in commands:
        text = help_of(*command)
        given = options(command, "local", "file")
        for option in ("--stack", "--config-file"):
            takes = f"{option} string" in text and command[0] not in CLOUD
            assert takes == (option in given), (command, option)
