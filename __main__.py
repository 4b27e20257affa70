"""The Pulumi program: configuration -> rules -> resources -> exports."""

import sys

import pulumi

from infra import configuration, rules, stack
from infra.settings.framework.edits import as_edits, edits

REPORTED = 32
"""Exit code of a program that has reported its error; with any other code Pulumi adds "an unhandled
error occurred". `PYTHON_PROCESS_EXITED_AFTER_SHOWING_USER_ACTIONABLE_MESSAGE_CODE` in
https://github.com/pulumi/pulumi/blob/master/sdk/python/cmd/pulumi-language-python-exec"""

SANDBOX, SANDBOX_FILE = "local", "Pulumi.local.yaml"
"""The sandbox's stack; `pulumi config set` has no lasting effect on it."""

is_sandbox = pulumi.get_stack() == SANDBOX
try:
    loaded = configuration.load()
    for warning in rules.require(loaded.settings, rules.gather(loaded.settings)):
        pulumi.log.warn(str(as_edits(warning, SANDBOX_FILE) if is_sandbox else warning))
except configuration.ConfigurationError as mistake:
    pulumi.log.error(str(edits(mistake, SANDBOX_FILE) if is_sandbox else mistake))
    sys.exit(REPORTED)

for name, value in stack.build(loaded, pulumi.get_stack()).items():
    pulumi.export(name, value)
