"""The ConfigMap from which the head restores lost applications (app/restore.py).

The program keeps the body in it, and changes it before the applications. This side adds the digest
of the body whose applications run: as long as the two differ, the head restores nothing, whether an
`up` is at work, was killed, or has failed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.providers.common.api_server import KubeClient
from infra.providers.common.call import ProviderError
from infra.providers.common.owner import MERGE_PATCH
from infra.providers.common.properties import without_empty

BODY, FINISHED = "applications.json", "finished"
"""The same as in infra.specs.restore, which the plug-in must not import: it imports pydantic."""
MANAGER = "rayline"
CONFLICT = 409
ATTEMPTS = 3


class WantedError(ProviderError):
    """The ConfigMap cannot say what the head should restore."""


@dataclass(frozen=True)
class Wanted:
    """One ConfigMap; without a name there is none, and nothing is recorded."""

    kube: KubeClient
    namespace: str
    name: str

    def is_finished(self) -> bool:
        """Whether the head would restore the body in the ConfigMap."""
        return not self.name or _is_finished(self._found().get("data") or {})

    def finish(self, config: Mapping[str, Any]) -> None:
        """Say that these applications run. WantedError if the ConfigMap has others, or is gone."""
        for _ in range(ATTEMPTS if self.name else 0):
            found = self._found()
            data = found.get("data") or {}
            if BODY not in data or _differs(data[BODY], config):
                raise WantedError(
                    f"the ConfigMap {self.namespace}/{self.name} does not contain the applications "
                    "of this stack, so that a lost head would restore nothing: someone has changed "
                    "or deleted it. Type: pulumi up --refresh"
                )
            if _is_finished(data):
                return
            version = found["metadata"]["resourceVersion"]
            if self._patch({FINISHED: _digest(data[BODY])}, {"resourceVersion": version}):
                return

    def unfinish(self) -> None:
        """From now on, the head restores nothing."""
        if self.name:
            self._patch({FINISHED: None}, {})

    def _found(self) -> dict[str, Any]:
        """The ConfigMap; empty if there is none."""
        answer = self.kube.call("GET", self._path)
        return {} if answer.status == 404 else self.kube.parsed(answer, f"GET {self._path}")

    def _patch(self, data: Mapping[str, str | None], metadata: Mapping[str, str]) -> bool:
        """False if someone else has changed the ConfigMap meanwhile."""
        answer = self.kube.call(
            "PATCH",
            self._path,
            query={"fieldManager": MANAGER},
            headers={"Content-Type": MERGE_PATCH},
            body={"metadata": metadata, "data": data},
        )
        if answer.status == CONFLICT:
            return False
        if answer.status >= 300 and answer.status != 404:
            raise self.kube.refusal(answer, f"PATCH {self._path}")
        return True

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps/{self.name}"


def _is_finished(data: Mapping[str, str]) -> bool:
    return BODY in data and data.get(FINISHED) == _digest(data[BODY])


def _differs(body: str, config: Mapping[str, Any]) -> bool:
    try:
        return bool(without_empty(json.loads(body)) != without_empty(config))
    except ValueError:
        return True


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
