"""The Pulumi program: configuration -> rules -> resources -> exports."""

import sys

import pulumi

from infra import configuration, rules, stack

REPORTED = 32
"""Exit code of a program that has reported its error; with any other code Pulumi adds "an unhandled
error occurred". `PYTHON_PROCESS_EXITED_AFTER_SHOWING_USER_ACTIONABLE_MESSAGE_CODE` in
https://github.com/pulumi/pulumi/blob/master/sdk/python/cmd/pulumi-language-python-exec"""

try:
    loaded = configuration.load()
    for warning in rules.require(loaded.settings, rules.gather(loaded.settings)):
        pulumi.log.warn(str(warning))
except configuration.ConfigurationError as mistake:
    pulumi.log.error(str(mistake))
    sys.exit(REPORTED)

for name, value in stack.build(loaded, pulumi.get_stack()).items():
    pulumi.export(name, value)
