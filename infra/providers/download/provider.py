"""The dynamic provider of DownloadJob.

Pulumi stores it by reference: this module must import in another process without side effects, and
the class holds nothing. In a preview only `check` and `diff` run; neither uses the network.
"""

from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.clock import SystemClock
from infra.providers.common.engine import EngineCall
from infra.providers.common.numbers import whole
from infra.providers.common.progress import Progress
from infra.providers.download.errors import DownloadError
from infra.providers.download.job import Job, ended
from infra.providers.download.reconcile import Download

Props = dict[str, Any]
IDENTITY = ("context", "namespace", "name")
INPUTS = (*IDENTITY, "model", "job", "deadline_seconds")


class DownloadJobProvider(ResourceProvider):
    """Inputs: `job` is the manifest, `name` and `namespace` are its own, known in previews too.

    Output `complete`: the weights were whole in the claim when it was last seen.
    """

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Another name is another download. Nothing else is: what was downloaded with an older
        image, or from another mirror, stays downloaded."""
        replaces = [key for key in IDENTITY if olds.get(key) != news.get(key)]
        return DiffResult(
            changes=bool(replaces) or not olds.get("complete"),
            replaces=replaces,
            delete_before_replace=False,
        )

    def create(self, props: Props) -> CreateResult:
        """Adopts the Job of an `up` that was interrupted."""
        return CreateResult(props["name"], self._run(props))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        """The same as create: what is in the cluster decides."""
        return UpdateResult(self._run(news))

    def read(self, id_: str, props: Props) -> ReadResult:
        """How the Job is. One that is absent says nothing of the weights, which stay in the claim:
        someone may have cleared it away, and so does Pulumi where a swap failed and was taken back,
        since it deletes what it had kept of the first by the name that is in use again."""
        with EngineCall(KubeError), KubeClient(props["context"]) as kube:
            status = Job(kube, whole(props["job"])).status()
        if status is None:
            return ReadResult(id_, dict(props))
        return ReadResult(id_, {**props, "complete": ended(status)[0] == "Complete"})

    def delete(self, _id: str, props: Props) -> None:
        """The Job and its pods. The weights stay in the claim."""
        with EngineCall(KubeError), KubeClient(props["context"]) as kube:
            Job(kube, whole(props["job"])).delete()

    def _run(self, props: Props) -> Props:
        clock = SystemClock()
        kept = {key: props[key] for key in INPUTS}
        with EngineCall(KubeError, DownloadError) as call, KubeClient(props["context"]) as kube:
            progress = Progress(call.status, clock, float(props["deadline_seconds"]))
            work = Download(Job(kube, whole(props["job"])), props["model"], progress, clock)
            try:
                work.run()
            except (KubeError, DownloadError) as error:
                if not work.created:
                    raise
                call.fail(error, props["name"], {**kept, "complete": False})
        return {**kept, "complete": True}
