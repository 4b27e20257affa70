"""One `pulumi preview --diff` of one stack, and what its output says."""

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ci import environment

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_OWN_PLUGIN = re.compile(r"^.*\bwarning: using pulumi-\S+ from \$PATH at .*\n?", re.MULTILINE)
_COUNT = re.compile(r"^\s+[^\s\d]* ?(\d+) to ([a-z-]+)", re.MULTILINE)
"""`    + 2 to create`, `    +-1 to replace`."""
_UNCHANGED = re.compile(r"(\d+) unchanged$", re.MULTILINE)
_RESOURCES = "\nResources:\n"
_GRACE = 10.0
"""Seconds between asking a preview that takes too long to end and ending it."""


@dataclass(frozen=True)
class Preview:
    """What one stack would become."""

    stack: str
    ok: bool
    diff: str
    """Pulumi's text without colours and control characters; its warnings and errors come last."""
    counts: Mapping[str, int] | None
    """Resources by what would be done to them: {"create": 2, "unchanged": 5}; None: unclear."""
    seconds: float
    fingerprint: str
    """Of the diff without warnings: `fingerprint`."""


def fingerprint(diff: str) -> str:
    """SHA-256 over the lines of a diff in any order, since steps are shown as they are found."""
    return hashlib.sha256("\n".join(sorted(diff.splitlines())).encode()).hexdigest()


def clean(text: str) -> str:
    """Without colours, other control characters and warnings about the plug-ins of ci.tools."""
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    return _OWN_PLUGIN.sub("", _CONTROL.sub("", text))


def counts(text: str) -> dict[str, int] | None:
    """The table at the end of a preview as {operation: resources}, or None where there is none."""
    _, found, table = f"\n{text}".rpartition(_RESOURCES)
    if not found:
        return None
    given = {operation: int(number) for number, operation in _COUNT.findall(table)}
    if unchanged := _UNCHANGED.search(table):
        given["unchanged"] = int(unchanged[1])
    return given


def preview(
    stack: str,
    environ: Mapping[str, str],
    redact: Callable[[str], str],
    timeout: float,
    folder: Path = environment.CHECKOUT,
) -> Preview:
    """Preview `stack`, within `timeout` seconds. Never raises for what Pulumi reports.

    One run gives both the diff for people and the counts: with --json there is no diff.
    """
    command = [environment.pulumi(environ), "preview", "--diff", "--stack", stack]
    command += ["--non-interactive", "--color", "never"]
    began = time.monotonic()
    out, err, code = _run(command, environ, timeout, folder)
    plan = clean(out)
    diff, complaints = redact(plan).strip("\n"), redact(clean(err)).strip()
    if code is None:
        complaints += f"\nerror: no end within {timeout:g} s; the preview was stopped"
    elif code:
        complaints += f"\n(pulumi ended with exit code {code})"
    return Preview(
        stack=stack,
        ok=code == 0,
        diff="\n\n".join(filter(None, (diff, complaints.strip()))),
        counts=counts(diff) if code == 0 else None,
        seconds=time.monotonic() - began,
        fingerprint=fingerprint(plan),
    )


def up(
    stack: str,
    environ: Mapping[str, str],
    redact: Callable[[str], str],
    folder: Path = environment.CHECKOUT,
) -> int:
    """Bring `stack` to what was previewed; Pulumi's own exit code. Its output is the job's log."""
    command = [environment.pulumi(environ), "up", "--yes", "--skip-preview", "--stack", stack]
    command += ["--non-interactive", "--color", "never"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        while True:
            try:
                for line in process.stdout:
                    print(redact(clean(line)), end="", flush=True)
                return process.wait()
            except KeyboardInterrupt:
                # It finishes what it is doing and gives the state's lock back; killed, it does not.
                _signal(process, signal.SIGINT)


def _run(
    command: list[str], environ: Mapping[str, str], timeout: float, folder: Path
) -> tuple[str, str, int | None]:
    """Output, errors and the exit code; None for a code: it took too long."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # its plug-ins end with it
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            out, err = _end(process)
            return out, err, None
        except BaseException:
            _signal(process, signal.SIGKILL)
            raise
        return out, err, process.returncode


def _end(process: "subprocess.Popen[str]") -> tuple[str, str]:
    _signal(process, signal.SIGINT)
    try:
        return process.communicate(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        return process.communicate()


def _signal(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
