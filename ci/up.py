"""Deploy a stack; with --expect, only if its diff is still the approved one.

The command previews the stack again first. --expect takes the fingerprint of the approved diff
(from `preview --fingerprints`); any difference stops the command before it changes anything:
another `up` in the meantime, a cluster that drifted, an old run that was approved late. Pulumi's
own update plans (`up --plan`) would do this too, but are experimental.

Exit code 0: deployed, or nothing to do; 1: the preview or `up` failed; 2: a variable, a tool or an
argument is missing or wrong; 4: the diff is not the approved one.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from ci import environment, markdown, pulumi
from ci.errors import ChangedError, CIError, SetupError
from ci.preview import add_timeout, stack
from ci.redaction import Redactor


def parser(prog: str = "python -m ci.up") -> argparse.ArgumentParser:
    """The parser of the command line; `rayline` uses it too."""
    description, exit_codes = __doc__.rsplit("\n\n", 1)
    root = argparse.ArgumentParser(prog=prog, description=description, epilog=exit_codes)
    root.add_argument(
        *("-s", "--stack"), required=True, type=stack, metavar="NAME", help="the stack to deploy"
    )
    root.add_argument(
        "--expect", metavar="SHA256", help="deploy only if the diff has this fingerprint"
    )
    add_timeout(root)
    return root


def main(
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    prog: str = "python -m ci.up",
) -> int:
    """Deploy the stack and return the exit code."""
    options = parser(prog).parse_args(arguments)
    redact = Redactor(environ)
    try:
        return _up(options.stack, options.expect, environ, redact, options.timeout)
    except CIError as error:
        print(redact(f"error: {error}"), file=sys.stderr)
        return error.exit_code


def _up(
    name: str, expected: str | None, environ: Mapping[str, str], redact: Redactor, timeout: float
) -> int:
    if expected is not None and not expected:
        raise SetupError(
            "--expect is empty: the preview job did not pass its fingerprint on.",
            "Run the whole pipeline again, not this job alone.",
        )
    with environment.for_pulumi(environ) as variables:
        preview = pulumi.preview(name, variables, redact, timeout)
        print(preview.diff)
        print(markdown.summary(preview), flush=True)
        if not preview.ok:
            return 1
        if expected is not None and preview.fingerprint != expected:
            raise ChangedError(
                f"The diff of {name} is not the one that was approved, so nothing was changed. "
                "The current diff is above.",
                "Run the whole pipeline again and approve the diff that it shows then.",
            )
        return 1 if pulumi.up(name, variables, redact) else 0


if __name__ == "__main__":
    sys.exit(main())
