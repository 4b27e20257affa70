"""The resource of `infra.providers.download.provider`."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.providers.download.provider import DownloadJobProvider


class DownloadJob(Resource, module="rayline", name="DownloadJob"):
    """A Kubernetes Job that is complete when a model's weights are whole in the claim.

    Not Pulumi's own Job: of that a user sees neither how far 20 GB are nor why it failed, and a
    Job that ended by its failure policy is waited for without an end.
    """

    def __init__(
        self,
        name: str,
        *,
        context: str,
        model: str,
        job: Mapping[str, Any],
        deadline_seconds: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`job` is the manifest; its image may be an output. `deadline_seconds` is for one `up`."""
        props = {
            "context": context,
            "namespace": job["metadata"]["namespace"],
            "name": job["metadata"]["name"],
            "model": model,
            "job": job,
            "deadline_seconds": deadline_seconds,
            "complete": None,
        }
        super().__init__(DownloadJobProvider(), name, props, opts)
