"""Writes docs/reference/cluster-checks.md from the rules.

Type: python -m infra.cluster_check.reference
"""

from importlib import import_module
from itertools import groupby
from pathlib import Path

from infra.cluster_check import registry

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cluster-checks.md"
HEAD = """\
# Checks of the cluster
`rayline check -s STACK` reads these from the cluster of the stack's context after the checks of
the configuration; `pulumi preview` and `pulumi up` do the same before they declare anything. The
check sends only GET requests and SelfSubjectAccessReviews, so it changes nothing, and it needs no
right of its own: what the user of the context may not read is listed as not checked, and no
finding is derived from it.

A finding is an error if `up` would fail for certain, and a warning otherwise. Once the stack is
deployed, findings about its pods are warnings, because what runs already may not be stopped by
them; groups whose workers all run are not judged. The message of each finding states what was
given, what the cluster has, and what to type.

In a preview or `up`, an error ends the program before anything is changed.
`RAYLINE_CLUSTER_CHECK=warn` shows errors as warnings and goes on, `RAYLINE_CLUSTER_CHECK=off`
skips the check. A cluster that does not answer within 2 seconds is not checked there.

This page is generated: `.venv/bin/python -m infra.cluster_check.reference`.
"""


def page() -> str:
    """The page: one table per module of rules."""
    parts = [HEAD]
    for name, rules in groupby(registry.rules(), lambda rule: rule.__module__):
        title = (import_module(name).__doc__ or "").partition("\n")[0].rstrip(".")
        rows = [f"| {_title(rule)} | {_text(rule)} |" for rule in rules]
        parts.append(
            "\n".join([f"## {title}", "| rule | what it checks |", "|---|---|", *rows, ""])
        )
    return "\n".join(parts)


def _title(rule: registry.ClusterRule) -> str:
    return rule.__name__.replace("_", " ").capitalize()


def _text(rule: registry.ClusterRule) -> str:
    """The first paragraph of the docstring."""
    return " ".join((rule.__doc__ or "").partition("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
