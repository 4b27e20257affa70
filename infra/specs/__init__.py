"""Kubernetes objects and Serve's configuration as plain dicts, from settings alone, without I/O.

A `Leaf` is a value that this code only passes on: a string, or a Pulumi output that becomes one.
The code never inspects it, so the same functions make previews, golden files and real objects.
"""

from typing import Any

# Pulumi is not imported here, so its outputs have no type that could be named.
Leaf = Any
Spec = dict[str, Any]
