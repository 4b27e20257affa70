"""One `pulumi preview --diff` or `pulumi up` of one stack."""

import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ci import environment
from toolchain.paths import CHECKOUT

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_OWN_PLUGIN = re.compile(r"^.*\bwarning: using pulumi-\S+ from \$PATH at .*\n?", re.MULTILINE)
_NO_CHANGE = ("discard", "read", "read-replacement")
"""Operations that Pulumi's own table omits too."""
_GRACE = 10.0
"""Seconds between the request to end (SIGINT) and SIGKILL, for a preview over its time limit."""


@dataclass(frozen=True)
class Preview:
    """The result of previewing one stack."""

    stack: str
    ok: bool
    diff: str
    """Pulumi's text without colours and control characters; its warnings and errors come last."""
    counts: Mapping[str, int] | None
    """Resources per operation: {"create": 2, "unchanged": 5}; None if Pulumi reported none."""
    seconds: float
    fingerprint: str
    """`fingerprint` of the diff without warnings."""


def fingerprint(diff: str) -> str:
    """SHA-256 over the sorted lines of a diff, because the order of its steps varies."""
    return hashlib.sha256("\n".join(sorted(diff.splitlines())).encode()).hexdigest()


def clean(text: str) -> str:
    """`text` without colours, control characters and warnings about the plug-ins of ci.tools."""
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    return _OWN_PLUGIN.sub("", _CONTROL.sub("", text))


def counts(events: Path) -> dict[str, int] | None:
    """Resources per operation from the engine's event log; None if it has no summary.

    The log has one JSON object per line. Its `summaryEvent` is what the Automation API returns as
    `PreviewResult.change_summary` (`pulumi.automation.events.SummaryEvent`).
    """
    try:
        for line in events.read_text().splitlines():
            if summary := json.loads(line).get("summaryEvent"):
                return {
                    {"same": "unchanged"}.get(operation, operation): int(number)
                    for operation, number in summary["resourceChanges"].items()
                    if operation not in _NO_CHANGE
                }
    except (OSError, ValueError, AttributeError, KeyError):
        pass
    return None


def preview(
    stack: str,
    environ: Mapping[str, str],
    redact: Callable[[str], str],
    timeout: float,
    folder: Path = CHECKOUT,
) -> Preview:
    """Preview `stack`, within `timeout` seconds. Never raises for errors that Pulumi reports.

    One run gives both the diff for people and, through the event log, the counts. The Automation
    API has neither a time limit nor the text without colours.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rayline-events-") as scratch:
        events = Path(scratch) / "events.json"
        command = _command(environ, "preview", stack, "--diff", "--event-log", str(events))
        # Enables the flag --event-log, as the Automation API does.
        flagged = {**environ, "PULUMI_DEBUG_COMMANDS": "true"}
        out, err, code = _run(command, flagged, timeout, folder)
        counted = counts(events) if code == 0 else None
    plan = clean(out)
    diff, complaints = redact(plan).strip("\n"), redact(clean(err)).strip()
    if code is None:
        complaints += f"\nerror: the preview did not end within {timeout:g} s and was stopped"
    elif code:
        complaints += f"\n(pulumi ended with exit code {code})"
    return Preview(
        stack=stack,
        ok=code == 0,
        diff="\n\n".join(filter(None, (diff, complaints.strip()))),
        counts=counted,
        seconds=time.monotonic() - began,
        fingerprint=fingerprint(plan),
    )


def up(
    stack: str,
    environ: Mapping[str, str],
    redact: Callable[[str], str],
    folder: Path = CHECKOUT,
) -> int:
    """Deploy the previewed state of `stack`; returns Pulumi's own exit code.

    Pulumi's output becomes the job's log.
    """
    command = _command(environ, "up", stack, "--yes", "--skip-preview")
    with _start(command, environ, folder, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        while True:
            try:
                for line in process.stdout:
                    print(redact(clean(line)), end="", flush=True)
                return process.wait()
            except KeyboardInterrupt:
                # Pulumi finishes running operations and releases the state's lock; killed, it
                # could do neither.
                _signal(process, signal.SIGINT)


def _command(environ: Mapping[str, str], verb: str, stack: str, *flags: str) -> list[str]:
    common = ("--stack", stack, "--non-interactive", "--color", "never")
    return [environment.pulumi(environ), verb, *flags, *common]


def _start(
    command: list[str], environ: Mapping[str, str], folder: Path, *, stderr: int
) -> "subprocess.Popen[str]":
    """Start `command` in its own process group, so that its plug-ins end with it."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _run(
    command: list[str], environ: Mapping[str, str], timeout: float, folder: Path
) -> tuple[str, str, int | None]:
    """Output, errors and the exit code, which is None if the time limit ended the process."""
    with _start(command, environ, folder, stderr=subprocess.PIPE) as process:
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
