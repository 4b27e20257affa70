"""The pod templates of head and GPU groups with their hashes, built once for every object.

KubeRay neither changes a running pod nor compares it with its template (upgradeStrategy absent).
So each template carries the hash of its own content as an annotation: a pod with a different
annotation is outdated, regardless of other changes in the RayCluster.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.settings import StackSettings
from infra.specs import Leaf, Spec, adapted, names, pods

_HASH_DIGITS = 16

WhenKnown = Callable[[Any, Callable[[Any], str]], Leaf]
"""Applies a function to a value once every leaf of the value is known; returns a leaf."""


@dataclass(frozen=True)
class PodTemplate:
    """The input from which KubeRay makes the pods of one group.

    `template` carries no annotation of the hash yet; `hash` has 16 hex digits and covers `template`
    and `start_params` (`rayStartParams`). With these, every edit that requires new pods changes the
    hash. The number of pods, `enabled` and other groups are not part of it.
    """

    template: Spec
    start_params: Mapping[str, str]
    hash: Leaf

    def annotated(self) -> Spec:
        """The template with its hash as an annotation."""
        metadata = self.template["metadata"]
        annotations = {**metadata.get("annotations", {}), names.TEMPLATE_HASH_ANNOTATION: self.hash}
        return {**self.template, "metadata": {**metadata, "annotations": annotations}}


@dataclass(frozen=True)
class PodTemplates:
    """The templates of one RayCluster: of the head, and of each GPU group by name."""

    head: PodTemplate
    groups: Mapping[str, PodTemplate]

    @property
    def hashes(self) -> dict[str, Leaf]:
        """Hash by group name; the head's is under `names.HEAD`."""
        return {
            names.HEAD: self.head.hash,
            **{name: group.hash for name, group in self.groups.items()},
        }


def pod_templates(
    settings: StackSettings,
    image: Leaf,
    when_known: WhenKnown = lambda value, function: function(value),
) -> PodTemplates:
    """The templates with `image`. If that is an output, `when_known` computes the hashes later."""

    def hashed(template: Spec, start_params: dict[str, str]) -> PodTemplate:
        return PodTemplate(template, start_params, when_known([template, start_params], _digest))

    return PodTemplates(
        hashed(adapted.head(settings, image).template, pods.head_start_params(settings)),
        {
            group.name: hashed(
                adapted.worker(settings, group, image).template,
                pods.worker_start_params(settings, group),
            )
            for group in settings.gpu_groups
        },
    )


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]
