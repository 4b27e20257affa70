"""The check as the Pulumi program and `rayline check` call it: read once, apply every rule."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from infra.cluster_check import reader, registry
from infra.cluster_check.rules import images
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem

VARIABLE = "RAYLINE_CLUSTER_CHECK"
"""Environment variable for `pulumi preview` and `pulumi up`; its values are MODES."""
MODES = ("error", "warn", "off")
"""error: a certain failure stops the program. warn: it is only shown. off: nothing is read."""
PROGRAM_SECONDS = 2.0
"""How long a preview may wait for facts; rules whose facts are not there in time are skipped."""


class ClusterCheckError(Exception):
    """`up` would fail on this cluster, or the variable has a wrong value; the text states which."""


@dataclass(frozen=True)
class Check:
    """The result of one look. If the cluster was not reached, `reason` states why, and the rest is
    empty. `skipped`: why rules were not applied."""

    context: str
    reason: str = ""
    version: str = ""
    uid: str = ""
    problems: tuple[Problem, ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is worth knowing, and no problem."""

    @property
    def reached(self) -> bool:
        """Whether the API server answered."""
        return not self.reason


def check(settings: StackSettings, seconds: float) -> Check:
    """Look at the stack's cluster for at most `seconds`. The settings have no errors."""
    context = settings.cluster.context
    try:
        facts = reader.read(settings, seconds)
    except reader.UnreachableError as error:
        return Check(context, reason=str(error))
    found = registry.check(settings, facts)
    uid = facts.uid.get("")
    notes = tuple(filter(None, [images.pulls(settings, facts)]))
    return Check(context, "", facts.version, uid, found.problems, found.skipped, notes)


def require(settings: StackSettings, environ: Mapping[str, str] = os.environ) -> Check:
    """`check` for the Pulumi program. ClusterCheckError if it has errors, unless the variable
    changes that."""
    mode = environ.get(VARIABLE) or "error"
    if mode not in MODES:
        raise ClusterCheckError(
            f"{VARIABLE}={mode!r} is not allowed; it must be {', '.join(MODES)}. "
            f"Type: unset {VARIABLE}"
        )
    if mode == "off":
        return Check(settings.cluster.context, reason=f"{VARIABLE} is off")
    found = check(settings, PROGRAM_SECONDS)
    errors = [problem for problem in found.problems if problem.severity == "error"]
    if errors and mode == "error":
        count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
        lines = [
            f"The cluster of context {found.context!r} has {count} for this stack:",
            *(f"  - {problem}" for problem in errors),
            f"Nothing was changed. To go on all the same, set {VARIABLE}=warn",
        ]
        raise ClusterCheckError("\n".join(lines))
    return found
