"""A stranger's terminal: commands run one after another in one environment and one folder."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_CALLERS = re.compile(
    r"(RAYLINE|PULUMI|BUILDX|KUBE|DOCKER|HF_|PYTEST|MAKE|MFLAGS|PYTHONPATH|VIRTUAL_ENV)"
)
_SCRIPT = 'set -a; eval "$1"; code=$?; env -0 > "$0"; exit $code'


def login(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The variables of a new login, which are none of the sandbox's or of the test's caller."""
    kept = {name: value for name, value in os.environ.items() if not _CALLERS.match(name)}
    return kept | {"HOME": str(home), "PWD": str(home), **more}


@dataclass
class Shell:
    """Bash in a terminal that stays open: a command finds the variables and the folder of the one
    before. Files are in `folder`, all output is in its file terminal.log.

    `typed` is what a person types where a command asks for it: a part of the command, and the
    answer. A command that ends with `&` runs on until `close`.
    """

    folder: Path
    environment: dict[str, str]
    typed: Mapping[str, str]
    jobs: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "terminal.log"

    def run(self, text: str, seconds: float) -> str:
        """The output of all commands; fails with it when one of them fails or takes too long."""
        output = ""
        for command in commands(text):
            began = time.monotonic()
            output += self._run(command, seconds)
            print(f"    {time.monotonic() - began:6.1f} s  $ {command}", flush=True)
        return output

    def close(self) -> None:
        """End the commands in the background."""
        for process in self.jobs:
            _end(process)

    def _run(self, command: str, seconds: float) -> str:
        runs_on = command.rstrip().endswith("&")
        answer = next((given for part, given in self.typed.items() if part in command), "")
        keyboard = self.folder / "keyboard"
        keyboard.write_text(answer)
        variables = self.folder / "variables"
        with self.log.open("ab") as log, keyboard.open() as stdin:
            log.write(f"$ {command}\n".encode())
            log.flush()
            start = log.tell()
            process = subprocess.Popen(
                ["bash", "-c", _SCRIPT, str(variables), command.rstrip(" &")],
                cwd=self.environment["PWD"],
                env=self.environment,
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if runs_on:
            self.jobs.append(process)
            return ""
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            _end(process)
        output = self.log.read_bytes()[start:].decode(errors="replace")
        assert code == 0, f"`{command}` ended with {code} (-1: out of time):\n{output}"
        entries = variables.read_bytes().decode().rstrip("\0").split("\0")
        self.environment = dict(entry.split("=", 1) for entry in entries)
        return output


def commands(text: str) -> Iterator[str]:
    """The commands of a block, one by one; Bash decides where one ends."""
    waiting: list[str] = []
    for line in text.splitlines():
        waiting.append(line)
        command = "\n".join(waiting)
        if not line.endswith("\\") and _is_complete(command):
            waiting.clear()
            if line.strip() and not line.lstrip().startswith("#"):
                yield command
    assert not waiting, f"not a complete command: {waiting}"


def _is_complete(command: str) -> bool:
    """Bash only warns of an open here-document."""
    done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, check=False)
    return not done.returncode and not done.stderr


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of a command's processes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
