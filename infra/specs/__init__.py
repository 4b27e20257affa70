"""Kubernetes objects and Serve's configuration as plain dicts, from settings alone: no I/O.

A `Leaf` is a value that this code only passes on: text, or an output of Pulumi that becomes one. It
never looks into it, so the same functions make previews, golden files and real objects.
"""

from typing import Any

# Pulumi is not imported here, so an output has no type that could be named.
Leaf = Any
Spec = dict[str, Any]
