"""The Pulumi program: configuration -> rules -> look at the cluster -> resources -> exports."""

import sys

import pulumi

from infra import configuration, rules, stack
from infra.cluster_check import program as cluster_check
from infra.settings.framework.edits import as_edits, edits
from infra.settings.framework.problems import Problem

REPORTED = 32
"""Exit code of a program that has reported its error; with any other code Pulumi adds "an unhandled
error occurred". `PYTHON_PROCESS_EXITED_AFTER_SHOWING_USER_ACTIONABLE_MESSAGE_CODE` in
https://github.com/pulumi/pulumi/blob/master/sdk/python/cmd/pulumi-language-python-exec"""

SANDBOX, SANDBOX_FILE = "local", "Pulumi.local.yaml"
"""The sandbox's stack; `pulumi config set` has no lasting effect on it."""

is_sandbox = pulumi.get_stack() == SANDBOX


def show(found: Problem) -> None:
    """A hint, a warning, or an error that the user wants as a warning."""
    log = pulumi.log.info if found.severity == "hint" else pulumi.log.warn
    log(str(as_edits(found, SANDBOX_FILE) if is_sandbox else found))


try:
    loaded = configuration.load()
    for problem in rules.require(loaded.settings, rules.gather(loaded.settings)):
        show(problem)
    cluster = cluster_check.require(loaded.settings)
    for problem in cluster.problems:
        show(problem)
    for reason in (cluster.reason, *cluster.skipped):
        pulumi.log.debug(f"not checked on the cluster: {reason}")
except configuration.ConfigurationError as mistake:
    pulumi.log.error(str(edits(mistake, SANDBOX_FILE) if is_sandbox else mistake))
    sys.exit(REPORTED)
except cluster_check.ClusterCheckError as mistake:
    pulumi.log.error(str(mistake))
    sys.exit(REPORTED)

try:
    exports = stack.build(loaded, pulumi.get_stack())
except pulumi.RunError as mistake:
    pulumi.log.error(str(mistake))
    sys.exit(REPORTED)
for name, value in exports.items():
    pulumi.export(name, value)
