"""The Pulumi program: configuration -> rules -> resources -> exports."""

import pulumi

from infra import configuration, rules, stack

try:
    loaded = configuration.load()
    for warning in rules.require(loaded.settings, rules.gather(loaded.settings)):
        pulumi.log.warn(str(warning))
except configuration.ConfigurationError as mistake:
    # A RunError is shown without a traceback.
    raise pulumi.RunError(str(mistake)) from None

for name, value in stack.build(loaded, pulumi.get_stack()).items():
    pulumi.export(name, value)
