"""DownloadJob, as the plug-in provides it."""

from infra.providers.common.api_server import KubeClient, KubeError
from infra.providers.common.call import Call, CallCancelledError
from infra.providers.common.properties import Props, differing, only
from infra.providers.common.provider import Created, Diff, Live, Provider
from infra.providers.common.waiting import Waiting
from infra.providers.download.job import Job, claim, ended
from infra.providers.download.reconcile import Download, DownloadError
from infra.providers.download.resource import OUTPUTS, TYPE

IDENTITY = ("namespace", "name")
INPUTS = ("context", *IDENTITY, "model", "job", "deadline_seconds")


class DownloadJobProvider(Provider):
    """`name` and `namespace` are those of the manifest `job`."""

    type = TYPE
    outputs = OUTPUTS

    def diff(self, _id: str, olds: Props, news: Props) -> Diff:
        """A different name is a different download. Weights stay valid, whichever image or mirror
        they were downloaded with, but only in their claim: in another one the Job runs again, under
        the same name. A renamed context is stored."""
        replaces = differing(olds, news, IDENTITY)
        changed = (
            _moved(olds, news) or differing(olds, news, ("context",)) or not olds.get("complete")
        )
        return Diff(bool(replaces or changed), replaces)

    def create(self, call: Call, props: Props) -> Created:
        """Adopts the Job of an interrupted `up`."""
        return Created(props["name"], self._download(call, props))

    def update(self, call: Call, _id: str, olds: Props, news: Props) -> Props:
        """The same as create: the cluster decides what is missing. Nothing is, after a complete
        download into the same claim, whose Job may have been deleted since."""
        if olds.get("complete") and not _moved(olds, news):
            return {**only(news, INPUTS), "complete": True}
        return self._download(call, news)

    def read(self, call: Call, _id: str, props: Props) -> Live:
        """The Job's state. Without the Job nobody knows about the weights: the next `up` creates it
        again, which takes seconds if they are complete.

        Someone may have deleted it, to download again. Pulumi itself does so when a failed swap of
        models is reverted: it then deletes the first model's old resource, whose Job has the same
        name as the new one.
        """
        with KubeClient(props["context"], call.run) as kube:
            status = Job(kube, props["job"]).status()
        complete = status is not None and ended(status)[0] == "Complete"
        return Live({**props, "complete": complete})

    def delete(self, call: Call, _id: str, props: Props) -> None:
        """Deletes the Job and its pods. The weights stay in the claim."""
        with KubeClient(props["context"], call.run) as kube:
            Job(kube, props["job"]).delete()

    def _download(self, call: Call, props: Props) -> Props:
        kept = {key: props[key] for key in INPUTS}
        waiting = Waiting(call.status, call.clock, float(props["deadline_seconds"]))
        with KubeClient(props["context"], call.run) as kube:
            work = Download(Job(kube, props["job"]), props["model"], waiting)
            try:
                work.run()
            except (CallCancelledError, DownloadError, KubeError) as error:
                if not work.created:
                    raise
                call.fail(error, props["name"], {**kept, "complete": False})
        return {**kept, "complete": True}


def _moved(olds: Props, news: Props) -> bool:
    """Whether the weights belong into another claim than before."""
    return claim(olds.get("job") or {}) != claim(news["job"])
