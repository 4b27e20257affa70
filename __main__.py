"""The Pulumi program: configuration -> rules -> look at the cluster -> resources -> exports."""

import sys

import pulumi

from infra import configuration, rules, stack
from infra.cluster_check import program as cluster_check

REPORTED = 32
"""Exit code of a program that has reported its error; with any other code Pulumi adds "an unhandled
error occurred". `PYTHON_PROCESS_EXITED_AFTER_SHOWING_USER_ACTIONABLE_MESSAGE_CODE` in
https://github.com/pulumi/pulumi/blob/master/sdk/python/cmd/pulumi-language-python-exec"""

try:
    loaded = configuration.load()
    for warning in rules.require(loaded.settings, rules.gather(loaded.settings)):
        pulumi.log.warn(str(warning))
    cluster = cluster_check.require(loaded.settings)
    for warning in cluster.problems:
        pulumi.log.warn(str(warning))
    for reason in (cluster.reason, *cluster.skipped):
        pulumi.log.debug(f"not checked on the cluster: {reason}")
except (configuration.ConfigurationError, cluster_check.ClusterCheckError) as mistake:
    pulumi.log.error(str(mistake))
    sys.exit(REPORTED)

for name, value in stack.build(loaded, pulumi.get_stack()).items():
    pulumi.export(name, value)
