"""Marks every object of the stack with its owner, wherever a component declares it."""

from collections.abc import Collection, Mapping
from typing import Any

import pulumi

from infra.providers.common.owner import STACK

FORCE = {"pulumi.com/patchForce": "true"}
"""The stack owns the object, so its values win. Without this, Kubernetes refuses them as a conflict
with the tool that made an adopted object, or with Pulumi itself: it applies under a new name
(`fieldManager`) after it was killed between the creation of an object and its record in the state.
https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
"""
JOB = "rayline:index:DownloadJob"


class Owned:
    """A transformation for the options of components, which their children inherit.

    Objects get the annotation in their own metadata, never in a pod template, whose hash would
    change. Adopted ones stay when Pulumi deletes them.
    """

    def __init__(self, stack_id: pulumi.Output[str], adopt: Collection[str]) -> None:
        self._stack_id = stack_id
        self._adopt = frozenset(adopt)
        self.resources: list[pulumi.Resource] = []
        """All that were declared with these options."""

    def __call__(
        self, args: pulumi.ResourceTransformationArgs
    ) -> pulumi.ResourceTransformationResult | None:
        self.resources.append(args.resource)
        props: dict[str, Any] = dict(args.props)
        kind = args.type_.rpartition(":")[2].lower()
        if args.type_ == JOB:
            job = props["job"]
            key = f"job/{job['metadata']['name']}"
            props["job"] = {**job, "metadata": self._marked(job["metadata"], {})}
        elif args.type_.startswith("kubernetes:"):
            key = f"{kind}/{props['metadata']['name']}"
            props["metadata"] = self._marked(props["metadata"], FORCE)
        else:
            return None
        opts = args.opts
        if key in self._adopt:
            kept = pulumi.ResourceOptions(retain_on_delete=True)
            opts = pulumi.ResourceOptions.merge(opts, kept)
        return pulumi.ResourceTransformationResult(props, opts)

    def _marked(self, metadata: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        annotations = {**(metadata.get("annotations") or {}), **more, STACK: self._stack_id}
        return {**metadata, "annotations": annotations}
