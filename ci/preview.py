"""`python -m ci.preview --stack dev --stack prod --comment github`: previews and their comment.

Exit code 0: every preview went well; 1: one failed, and the comment says how; 2: the job is not
set up (a variable, pulumi), or a wrong argument; 3: the previews went well, but the comment could
not be written.
"""

import argparse
import os
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ci import comments, environment, markdown, pulumi
from ci.errors import CIError, CommentError
from ci.redaction import Redactor

_STACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def stack(text: str) -> str:
    """A stack's name, perhaps with its organisation and project."""
    if not _STACK.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a stack's name, such as dev or org/prod")
    return text


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m ci.preview", description=__doc__)
    root.add_argument("--stack", action="append", required=True, type=stack, metavar="NAME")
    root.add_argument("--comment", choices=("github", "gitlab", "none"), default="none")
    root.add_argument("--output", type=Path, help="folder for each stack's whole diff: NAME.diff")
    root.add_argument(
        "--fingerprints", type=Path, help="file to append plan_NAME=SHA256 to, for ci.up --expect"
    )
    root.add_argument("--timeout", type=float, default=600, help="seconds for each preview")
    return root


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    given = parser().parse_args(arguments)
    redact = Redactor(environ)
    try:
        previews = _previews(given.stack, environ, redact, given.timeout)
        _keep(previews, given.output, given.fingerprints)
        context = _context(environ)
        _show(previews, context, environ)
        failed = [preview.stack for preview in previews if not preview.ok]
        if given.comment != "none":
            _comment(given.comment, markdown.compose(previews, context), environ, failed)
    except CIError as error:
        print(redact(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    if failed:
        print(f"error: the preview failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _previews(
    stacks: Sequence[str], environ: Mapping[str, str], redact: Redactor, timeout: float
) -> list[pulumi.Preview]:
    with environment.for_pulumi(environ) as variables:
        # One after the other: both may need the same plug-ins, and a runner has few cores.
        return [pulumi.preview(name, variables, redact, timeout) for name in dict.fromkeys(stacks)]


def _keep(previews: Sequence[pulumi.Preview], folder: Path | None, plans: Path | None) -> None:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for preview in previews:
            (folder / f"{_word(preview.stack)}.diff").write_text(preview.diff + "\n")
    if plans:
        with plans.open("a") as file:
            for preview in previews:
                if preview.ok:
                    file.write(f"plan_{_word(preview.stack)}={preview.fingerprint}\n")


def _word(name: str) -> str:
    """A stack's name as the name of a file and of a variable."""
    return re.sub(r"\W", "_", name)


def _context(environ: Mapping[str, str]) -> markdown.Context:
    """Where we are, from what GitHub and GitLab set for each job."""
    commit = environ.get("RAYLINE_COMMIT") or environ.get("CI_COMMIT_SHA") or ""
    whole = environ.get("CI_JOB_URL", "")
    if environ.get("GITHUB_RUN_ID"):
        address = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY"))
        whole = f"{'/'.join(address)}/actions/runs/{environ['GITHUB_RUN_ID']}"
        commit = commit or environ.get("GITHUB_SHA", "")
    return markdown.Context(commit=commit[:12], whole=whole)


def _show(
    previews: Sequence[pulumi.Preview], context: markdown.Context, environ: Mapping[str, str]
) -> None:
    """In the log, whole, and on the job's page where there is one."""
    whole = markdown.compose(previews, context, limit=sys.maxsize)
    if environ.get("GITHUB_ACTIONS") == "true":
        # GitHub obeys lines of the log that begin with `::`; a diff has no say.
        word = secrets.token_hex(16)
        whole = f"::stop-commands::{word}\n{whole}\n::{word}::"
    print(whole, flush=True)
    if path := environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a") as file:
            file.write(markdown.compose(previews, context, markdown.SUMMARY_LIMIT))


def _comment(kind: str, body: str, environ: Mapping[str, str], failed: Sequence[str]) -> None:
    try:
        print(comments.publish(kind, body, environ))
    except CommentError as error:
        if not failed:
            raise
        # The failed preview is the news; it decides the exit code.
        print(Redactor(environ)(f"error: {error}"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
