"""Asks a real API server whether it would create every object of a stack."""

from collections.abc import Mapping
from typing import Any

from infra.settings import StackSettings
from infra.specs.manifests import manifests, pods
from tests.apiserver.server import ApiServer, Refused

PLACE = "dry-run"
"""The namespace of the objects: a dry run needs one that exists."""


class DryRun:
    """Remembers what was accepted, because most changes touch one object of many."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._accepted: set[str] = set()
        self.asked = 0

    def refusals(self, settings: StackSettings) -> list[str]:
        """What the API server refuses, one line per object."""
        found = []
        for manifest in (*manifests(settings), *pods(settings)):
            key = repr(manifest)
            if key in self._accepted:
                continue
            self.asked += 1
            try:
                self._server.create(moved(manifest), dry_run=True)
                self._accepted.add(key)
            except Refused as refused:
                if refused.status == 409:  # the namespace exists
                    continue
                found.append(f"{manifest['kind']} {manifest['metadata']['name']}: {refused}")
        return found


def moved(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest in PLACE instead of its own namespace."""
    metadata = dict(manifest["metadata"])
    if "namespace" in metadata:
        metadata["namespace"] = PLACE
    return {**manifest, "metadata": metadata}
