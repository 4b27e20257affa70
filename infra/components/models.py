"""The weights: one download Job a model and revision, done before anything serves them."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.settings import StackSettings
from infra.settings.models import Model
from infra.specs.download_job import download_job

# pulumi-kubernetes waits for the Job's end; a little more than the Job's own deadline, so that
# Kubernetes' reason is what is shown.
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
        job = download_job(args.settings, args.model, args.image)
        patience = f"{args.settings.timeouts.download_seconds + MARGIN_SECONDS}s"
        kubernetes.batch.v1.Job(
            name,
            # A download that failed is tried anew by the next `up`: otherwise Pulumi would look at
            # the failed Job for ever, whatever has been repaired at the hub meanwhile.
            metadata={**job["metadata"], "annotations": {"pulumi.com/replaceUnready": "true"}},
            spec=job["spec"],
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=[
                    "spec.template.spec.containers[0].image",
                    "spec.template.spec.initContainers[0].image",
                ],
                custom_timeouts=pulumi.CustomTimeouts(create=patience, update=patience),
            ),
        )
        self.register_outputs({})
