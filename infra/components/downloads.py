"""The weights: one download Job a model and revision, done before anything serves them."""

from dataclasses import dataclass

import pulumi

from infra.providers.download import DownloadJob, DownloadJobArgs
from infra.settings import StackSettings
from infra.settings.models import Model
from infra.specs.download_job import download_job

# A little more than the Job's own deadline, so that Kubernetes' reason is what is shown.
MARGIN_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class ModelDownloadArgs:
    settings: StackSettings
    model: Model
    image: pulumi.Input[str]


class ModelDownload(pulumi.ComponentResource):
    """A Job that is complete when the weights are whole in the claim.

    Another source or revision is another Job. Another image is not: what was downloaded stays
    downloaded, so a change of the service's code starts none anew.
    """

    def __init__(
        self, name: str, args: ModelDownloadArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rayline:serving:ModelDownload", name, None, opts)
        DownloadJob(
            name,
            DownloadJobArgs(
                context=args.settings.cluster.context,
                model=args.model.name,
                job=download_job(args.settings, args.model, args.image),
                deadline_seconds=args.settings.timeouts.download_seconds + MARGIN_SECONDS,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
