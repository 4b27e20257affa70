"""The pod templates of head and GPU groups with their hashes, built once for every object.

KubeRay neither changes a running pod nor compares it with its template (upgradeStrategy absent).
So each template carries the hash of its own content as an annotation: a pod with a different
annotation is outdated, regardless of other changes in the RayCluster.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infra.settings import StackSettings
from infra.specs import Leaf, Spec, adapted, control_store, names, pods

_HASH_DIGITS = 16
LEAVING_MARGIN_SECONDS = 300
"""Time that kubelet and the garbage collector take, in addition to the pods' own."""

WhenKnown = Callable[[Any, Callable[[Any], str]], Leaf]
"""Applies a function to a value once every leaf of the value is known; returns a leaf."""


@dataclass(frozen=True)
class PodTemplate:
    """The input from which KubeRay makes the pods of one group.

    `template` carries no annotation of the hash yet; `hash` has 16 hex digits and covers
    `template`, `start_params` (`rayStartParams`), and the version of Ray's token, which pods read
    only at their start. With these, every edit that requires new pods changes the hash.
    The number of pods, `enabled` and other groups are not part of it. `annotations` are those
    whose values the hash covers already.
    """

    template: Spec
    start_params: Mapping[str, str]
    hash: Leaf
    annotations: Mapping[str, Leaf] = field(default_factory=dict)

    def annotated(self) -> Spec:
        """The template with its hash and the other annotations."""
        metadata = self.template["metadata"]
        annotations = {
            **metadata.get("annotations", {}),
            **self.annotations,
            names.TEMPLATE_HASH_ANNOTATION: self.hash,
        }
        return {**self.template, "metadata": {**metadata, "annotations": annotations}}


@dataclass(frozen=True)
class PodTemplates:
    """The templates of one RayCluster: of the head, and of each GPU group by name."""

    head: PodTemplate
    groups: Mapping[str, PodTemplate]

    @property
    def leaving_seconds(self) -> int:
        """How long it may take until the last pod has ended, once the cluster is deleted."""
        each = [self.head, *self.groups.values()]
        graces = [template.template["spec"]["terminationGracePeriodSeconds"] for template in each]
        return int(max(graces)) + LEAVING_MARGIN_SECONDS

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
    token_version: Leaf = 0,
) -> PodTemplates:
    """The templates with `image`. If that or `token_version` (of Ray's token) is an output,
    `when_known` computes the hashes later."""

    def hashed(template: Spec, start_params: dict[str, str]) -> PodTemplate:
        content = [template, start_params, token_version]
        return PodTemplate(template, start_params, when_known(content, _digest))

    head = hashed(adapted.head(settings, image).template, pods.head_start_params(settings))
    version = when_known(token_version, str)
    return PodTemplates(
        replace(head, annotations=control_store.annotations(settings, version)),
        {
            group.name: hashed(
                adapted.worker(settings, group, image).template,
                pods.worker_start_params(settings, group),
            )
            for group in settings.gpu_groups
        },
    )


def _digest(content: list[Any]) -> str:
    """Without a version that is 0: a token that never changed restarts nothing."""
    if not content[-1]:
        content = content[:-1]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]
