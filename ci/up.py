"""`python -m ci.up --stack prod --expect SHA256`: bring a stack to what was approved.

It previews once more first. With --expect, the fingerprint of the diff that the approver saw
(`ci.preview --fingerprints`), any difference stops it before anything is changed: someone else's
`up`, a cluster that drifted, an old run that was approved late. Update plans (`up --plan`) would
do this inside Pulumi, but are experimental.

Exit code 0: done, or nothing to do; 1: the preview or `up` failed; 2: the job is not set up, or a
wrong argument; 4: the diff is not the approved one.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from ci import environment, markdown, pulumi
from ci.errors import ChangedError, CIError, SetupError
from ci.preview import stack
from ci.redaction import Redactor


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m ci.up", description=__doc__)
    root.add_argument("--stack", required=True, type=stack, metavar="NAME")
    root.add_argument("--expect", metavar="SHA256", help="fingerprint of the approved diff")
    root.add_argument("--timeout", type=float, default=600, help="seconds for the preview")
    return root


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    given = parser().parse_args(arguments)
    redact = Redactor(environ)
    try:
        return _up(given.stack, given.expect, environ, redact, given.timeout)
    except CIError as error:
        print(redact(f"error: {error}"), file=sys.stderr)
        return error.exit_code


def _up(
    name: str, expected: str | None, environ: Mapping[str, str], redact: Redactor, timeout: float
) -> int:
    if expected is not None and not expected:
        raise SetupError(
            "--expect is empty: the job that previewed did not pass its fingerprint on.",
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
                "Its present form is above.",
                "Run the whole pipeline again and approve what it shows now.",
            )
        return 1 if pulumi.up(name, variables, redact) else 0


if __name__ == "__main__":
    sys.exit(main())
