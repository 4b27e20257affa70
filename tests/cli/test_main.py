"""One command: its verbs, their help, their exit codes, and completion."""

import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import completion, main

ROOT = Path(__file__).parents[2]


def rayline(*arguments: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        text=True,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )


def test_the_help_lists_every_verb_and_imports_none() -> None:
    program = (
        "import sys; from cli import main\n"
        "try: main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'app', 'ci', 'infra', 'sandbox', 'pulumi', 'pydantic', 'ray', 'yaml', 'httpx'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, verb in main.VERBS.items():
        assert name in done.stdout
        assert verb.help in done.stdout


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_verb_has_a_help_in_its_own_name(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([verb, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: rayline {verb} ")


def test_without_a_verb_it_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 2
    assert "check stack files" in capsys.readouterr().err


def test_an_unknown_verb_is_refused_with_the_known_ones() -> None:
    done = rayline("chek")
    assert done.returncode == 2
    assert "'chek'" in done.stderr
    assert "check" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (PermissionError(13, "Permission denied", "/x"), 1)],
)
def test_an_interrupt_or_a_refusal_causes_no_traceback(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(importlib.import_module("cli.check"), "main", fail)
    assert main.main(["check"]) == code


@pytest.mark.parametrize("arguments", ["--help", "check", "check --help", "completion bash"])
@pytest.mark.parametrize(
    ("reader", "code", "message"),
    [("| true", "141", ""), ("> /dev/full", "1", "error: [Errno 28] No space left on device\n")],
)
def test_output_that_nobody_takes_is_no_traceback(
    arguments: str, reader: str, code: str, message: str
) -> None:
    """Whether the output is longer than Python's buffer, so that only a flush fails, or not."""
    # The pause lets the reader end first.
    command = (
        f"(sleep 0.1; '{sys.executable}' -m cli {arguments}) {reader}; echo ${{PIPESTATUS[0]}}"
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (done.stdout.strip(), done.stderr) == (code, message)


def test_a_text_that_the_terminal_cannot_show_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {rayline:hub: é}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "cli", "check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "rayline:hub is '\\xe9'" in done.stdout


def test_a_missing_package_is_named_and_a_missing_module_of_ours_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> int:
        importlib.import_module(missing)
        return 0

    monkeypatch.setattr(importlib.import_module("cli.check"), "main", fail)
    missing = "no_such_package.part"
    assert main.main(["check"]) == 2
    err = capsys.readouterr().err
    assert "lacks the package no_such_package. Type: make setup" in err
    missing = "infra.no_such_module"
    with pytest.raises(ModuleNotFoundError):
        main.main(["check"])


@pytest.mark.parametrize("option", ["-v", "--version", "--chek"])
def test_an_unknown_option_is_named(option: str) -> None:
    done = rayline(option, "check")
    assert done.returncode == 2
    assert option in done.stderr


def test_the_command_is_installed_under_its_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"rayline": "cli.main:main"}
    assert "cli*" in project["tool"]["setuptools"]["packages"]["find"]["include"]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_completion_knows_verbs_options_and_stacks(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completion.main([shell]) == 0
    script = capsys.readouterr().out
    for word in (*main.VERBS, "--expect", "service-token", "--purge", "_rayline_stacks"):
        assert word in script


def bash_completes(folder: Path, script: Path, words: list[str]) -> list[str]:
    given = " ".join(f"'{word}'" for word in words)
    program = (
        f"source '{script}'; COMP_WORDS=({given}); COMP_CWORD={len(words) - 1}; "
        "$(complete -p rayline | sed -E 's/.*-F ([^ ]+).*/\\1/'); "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.fixture
def bash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    completion.main(["bash"])
    script = tmp_path / "completion of bash"
    script.write_text(capsys.readouterr().out)
    return lambda *words: bash_completes(ROOT, script, ["rayline", *words])


def test_bash_completes(bash: Callable[..., list[str]]) -> None:
    assert bash("pre") == ["preview"]
    assert "--comment" in bash("preview", "--")
    assert {"github", "gitlab", "none"} <= set(bash("preview", "--comment", ""))
    assert bash("preview", "--stack", "pr") == ["prod"]
    assert bash("sandbox", "sta") == ["status"]
