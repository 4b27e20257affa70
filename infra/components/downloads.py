"""The weights: one download per model and revision, complete before anything serves them."""

from dataclasses import dataclass

import pulumi

from infra.providers.download import DownloadJob, DownloadJobArgs
from infra.specs import Spec

# Slightly more than the Job's own deadline, so that the user sees Kubernetes' reason.
MARGIN_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class ModelDownloadArgs:
    """`job` is the manifest of the download Job; its image may be an output."""

    context: str
    model: str
    job: Spec


class ModelDownload(pulumi.ComponentResource):
    """A Job that completes once all weights of a model are in the claim.

    A different source or revision is a different Job. A different image is not: weights stay
    downloaded, so a change of the service's code starts no download.
    """

    def __init__(
        self, name: str, args: ModelDownloadArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:serving:ModelDownload", name, None, opts)
        DownloadJob(
            name,
            DownloadJobArgs(
                context=args.context,
                model=args.model,
                job=args.job,
                deadline_seconds=args.job["spec"]["activeDeadlineSeconds"] + MARGIN_SECONDS,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
