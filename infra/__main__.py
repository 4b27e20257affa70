"""The Pulumi program: configuration -> resources -> exports."""

import pulumi

from infra import configuration, stack

for name, value in stack.build(configuration.load(), pulumi.get_stack()).items():
    pulumi.export(name, value)
