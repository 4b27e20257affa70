"""What the tests assume about Pulumi is what the real command line does."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import stack_file
from infra.settings.framework.problems import key_path, remove_command, set_command
from tests.commands import typed
from tests.infra.providers.engine.programs import pulumi_binary

# Needs the binary of `make tools`.
pytestmark = [pytest.mark.cluster, pytest.mark.engine]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    binary = pulumi_binary()
    assert binary, "make tools"
    environ = os.environ | {
        "PATH": os.pathsep.join([str(Path(binary).parent), os.environ["PATH"]]),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }
    (tmp_path / "Pulumi.yaml").write_text("name: rayline\nruntime: python\n")

    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    assert run("pulumi", "stack", "init", "t", "--non-interactive").returncode == 0
    return run


def test_a_stack_file_is_read_as_pulumi_reads_it(run: Run, tmp_path: Path) -> None:
    scalars = (
        "yes", "on", "true", "True", "12:30", "12", "08", "017", "0o17", "0x1F", "0b11", "1_000",
        "1.0", "1.10", ".5", "1e3", "-0", "+1", "1e999", "9" * 20, "1__0", "0x", "0_7",
        "- a", "!!str 1.10", "!!float 1", "~", "null", "'1'", "+", ".", "1.2.3", "1e", "Null",
        "2024-13-45",
    )  # fmt: skip
    path = tmp_path / "Pulumi.t.yaml"
    lines = [f"    k{number}: {text}\n" for number, text in enumerate(scalars) if text != "- a"]
    path.write_text("config:\n  rayline:a:\n" + "".join(lines))
    shown = json.loads(run("pulumi", "config", "--json", "--stack", "t").stdout)
    theirs = json.loads(shown["rayline:a"]["value"])
    ours = json.loads(stack_file.configuration(stack_file.load(path), {}).texts["a"])
    assert {k: repr(v) for k, v in ours.items()} == {k: repr(v) for k, v in theirs.items()}


@pytest.mark.parametrize("text", [".nan", ".inf", "-.INF", "&a [*a]"])
def test_what_pulumi_refuses_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "Pulumi.t.yaml"
    path.write_text(f"config:\n  rayline:a:\n    k: {text}\n")
    assert run("pulumi", "config", "--stack", "t").returncode != 0
    with pytest.raises(stack_file.StackFileError):
        stack_file.load(path)


def test_commands_do_what_the_tests_take_them_to_do(run: Run, tmp_path: Path) -> None:
    keys = ["plain", "a.b/c", 'a"b', "a'b", "a:b", "a]b", "a\\b", "é", "1X", "", "a b"]
    given: list[Any] = [
        True, 1, -5, 0.5, "true", "1", "+1", "007", "1.10", "x y", "$(x)", "a'b", "", "9" * 20,
        "-x", "/a", "a;b", "@", "a=b",
    ]  # fmt: skip
    commands = [set_command(key_path("a", name), 1) for name in keys]
    commands += [set_command(key_path("b", f"k{n}"), value) for n, value in enumerate(given)]
    commands += [set_command(key_path("c", 0, "x"), 1), set_command(key_path("c", 1), "y")]
    commands += [remove_command(key_path("a", name)) for name in keys[1:4]]
    for command in commands:
        done = run("sh", "-c", f"{command} --stack t" if " -- " not in command else
                   command.replace("config", "config --stack t", 1))  # fmt: skip
        assert done.returncode == 0, (command, done.stderr)
    written = yaml.safe_load((tmp_path / "Pulumi.t.yaml").read_text())["config"]
    expected = typed({}, commands)
    assert {key: written[f"rayline:{key}"] for key in expected} == expected
