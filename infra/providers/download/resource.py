"""DownloadJob, as the program declares it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

TYPE = "rayline:index:DownloadJob"
OUTPUTS = ("complete",)


@dataclass(frozen=True, kw_only=True)
class DownloadJobArgs:
    """Which Job, and where."""

    context: str
    """Context of the kubeconfig. A change is an update, which stores the new name."""
    model: str
    """The model's name, for messages."""
    job: Mapping[str, Any]
    """The Job's manifest; its image may be an output. A new name or namespace replaces it."""
    deadline_seconds: int
    """How long one `up` waits."""


class DownloadJob(pulumi.CustomResource):
    """A Kubernetes Job that completes once all weights of a model are in the claim.

    Pulumi's own Job resource shows neither the progress of 20 GB nor why a Job failed, and waits
    forever for a Job that its `podFailurePolicy` ended.
    """

    complete: pulumi.Output[bool]
    """Whether all weights were in the claim when the Job was last observed."""

    def __init__(
        self, name: str, args: DownloadJobArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        # Known in a preview too, while the manifest may contain an unknown image.
        identity = {key: args.job["metadata"][key] for key in ("namespace", "name")}
        super().__init__(TYPE, name, {**vars(args), **identity, **dict.fromkeys(OUTPUTS)}, opts)
