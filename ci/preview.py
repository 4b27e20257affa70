"""Preview stacks with secrets redacted, and write the diffs into one comment per request.

Exit code 0: every preview succeeded; 1: a preview failed, and the comment shows its error; 2: a
variable, a tool or an argument is missing or wrong, and nothing was run; 3: the previews
succeeded, but the comment could not be written.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ci import comments, environment, markdown, providers, pulumi
from ci.errors import CIError, CommentError
from ci.provider import Context, Provider
from ci.redaction import Redactor

_STACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def stack(text: str) -> str:
    """The type of --stack: a name, optionally with organisation and project."""
    if not _STACK.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of a stack, such as dev or org/prod"
        )
    return text


def add_timeout(root: argparse.ArgumentParser) -> None:
    """Add `--timeout`, in seconds per preview."""
    root.add_argument(
        "--timeout",
        type=float,
        default=600,
        metavar="SECONDS",
        help="time limit per preview (default: %(default)s)",
    )


def parser(prog: str = "python -m ci.preview") -> argparse.ArgumentParser:
    """The parser of the command line; `rayline` uses it too."""
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    root = argparse.ArgumentParser(prog=prog, description=description, epilog=exit_codes)
    root.add_argument(
        *("-s", "--stack"),
        action="append",
        required=True,
        type=stack,
        metavar="NAME",
        help="the stack to preview; repeat it for several stacks",
    )
    root.add_argument(
        "--comment",
        choices=(*providers.names(), "none"),
        default="none",
        help="where to write the comment (default: %(default)s, print only)",
    )
    root.add_argument(
        "--output", type=Path, metavar="FOLDER", help="write each stack's full diff to NAME.diff"
    )
    root.add_argument(
        "--fingerprints",
        type=Path,
        metavar="FILE",
        help="append plan_NAME=SHA256 per stack to this file, for `up --expect`",
    )
    add_timeout(root)
    return root


def main(
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    prog: str = "python -m ci.preview",
) -> int:
    """Preview the stacks and return the exit code."""
    options = parser(prog).parse_args(arguments)
    redact = Redactor(environ)
    here = providers.current(environ)
    try:
        previews = _previews(options.stack, environ, redact, options.timeout)
        _keep(previews, options.output, options.fingerprints)
        context = _context(here, environ)
        _show(previews, context, here, environ)
        failed = [preview.stack for preview in previews if not preview.ok]
        if options.comment != "none":
            provider = providers.load(options.comment)
            body = markdown.compose(previews, context, provider.comment_limit)
            _comment(provider, body, environ, failed)
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
        # One by one: they may need the same plug-ins, and a runner has few cores.
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
    """A stack's name in a form that suits the names of files and variables."""
    return re.sub(r"\W", "_", name)


def _context(here: Provider | None, environ: Mapping[str, str]) -> Context:
    context = here.context(environ) if here else Context()
    commit = environ.get("RAYLINE_COMMIT") or context.commit
    return Context(commit[:12], context.full_text)


def _show(
    previews: Sequence[pulumi.Preview],
    context: Context,
    here: Provider | None,
    environ: Mapping[str, str],
) -> None:
    """Print everything to the log, and fill the job's page where the system has one."""
    full = markdown.compose(previews, context, limit=sys.maxsize)
    print(here.as_log(full) if here else full, flush=True)
    if summary := here.summary(environ) if here else None:
        with summary.path.open("a") as file:
            file.write(markdown.compose(previews, context, summary.limit))


def _comment(
    provider: Provider, body: str, environ: Mapping[str, str], failed: Sequence[str]
) -> None:
    try:
        print(comments.publish(provider, body, environ))
    except CommentError as error:
        if not failed:
            raise
        # The failed preview matters more; it decides the exit code.
        print(Redactor(environ)(f"error: {error}"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
