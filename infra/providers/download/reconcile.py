"""Runs one Job to its end, and reports its progress."""

from infra.providers.common.api_server import KubeError
from infra.providers.common.call import ProviderError
from infra.providers.common.waiting import Waiting
from infra.providers.download.job import Attempt, Job, ended

TROUBLE_SECONDS = 120.0
"""A pod that cannot start for this many seconds is a failure: no node, no image."""


class DownloadError(ProviderError):
    """The message names the model's Job, quotes what the Job reports, and states what to type."""


class Download:
    """The download of one model during one `pulumi up`."""

    def __init__(self, job: Job, model: str, waiting: Waiting) -> None:
        self._job = job
        self._model = model
        self._waiting = waiting
        self._state = "the Job was not observed yet"
        self._removing = False
        self.created = False
        """The Job exists, or may exist because the answer to its creation was lost."""

    def run(self) -> None:
        """Return when the Job is complete. DownloadError or KubeError names the cause.

        A Job that failed before this run is created again: the cause may have been fixed, and the
        new Job keeps everything that has been downloaded.
        """
        if not self._waiting.until(self._turn):
            raise DownloadError(
                f"{self._model} is not downloaded after {self._waiting.elapsed:.0f} s: "
                f"{self._state}. Downloaded data is kept. Look at {self._logs()}. If it only "
                "needs longer, raise `pulumi config set --path "
                "'rayline:timeouts.downloadSeconds' ...`"
            )

    def _turn(self) -> str | None:
        try:
            state = self._advance()
        except KubeError as error:
            if not error.transient:
                raise
            state = str(error)
        if state is None:
            return None
        self._state = state
        return f"{self._model}: {state}"

    def _advance(self) -> str | None:
        """Take the next step. Returns what it waits for; None: the Job is complete."""
        status = self._job.status()
        if status is None:
            return self._create()
        if self._removing:
            return "deleting the failed Job"
        end, message = ended(status)
        if end == "Complete":
            self.created = True
            return None
        if end == "Failed" and not self.created:
            self._job.delete()
            self._removing = True
            return "deleting the failed Job"
        self.created = True
        attempts = self._job.attempts()
        if end == "Failed":
            words = next((one.words for one in reversed(attempts) if one.words), message)
            raise DownloadError(
                f"{self._model} cannot be downloaded: {_last_line(words)}\n  "
                f"More: {self._logs()}\n  Correct the model's entry in rayline:models, or what the "
                "message names, and run `pulumi up` again: it continues where this attempt ended."
            )
        self._raise_trouble(attempts)
        return self._line(attempts)

    def _create(self) -> str:
        before, self.created = self.created, True
        try:
            self._job.create()
        except KubeError:
            self.created = before
            raise
        self._removing = False
        return "starting"

    def _raise_trouble(self, attempts: list[Attempt]) -> None:
        last = attempts[-1] if attempts else None
        trouble = last.trouble if last else None
        lasts = self._waiting.lasts("trouble", trouble is not None)
        if last and trouble and lasts >= TROUBLE_SECONDS:
            raise DownloadError(
                f"{self._model}: pod {last.name} of the download cannot start: "
                f"{trouble.kind}: {trouble.text}. "
                f"Look at {self._job.command(f'describe pod {last.name}')}"
            )

    def _line(self, attempts: list[Attempt]) -> str:
        if not attempts:
            return "waiting for a pod"
        last = attempts[-1]
        failed = [one for one in attempts if one.failed]
        if last.running:
            text = self._job.last_line(last) or "downloading"
        elif last.failed:
            text = f"waiting for the next attempt; the last one failed: {_last_line(last.words)}"
        else:
            text = last.state
        return f"attempt {len(failed) + 1}, {text}" if failed and last.running else text

    def _logs(self) -> str:
        return self._job.command(f"logs -l job-name={self._job.name} --tail=50")


def _last_line(words: str) -> str:
    """The last line, without the prefix that marks it as an error."""
    lines = [line for line in words.splitlines() if line.strip()]
    return (lines or ["it gave no message"])[-1].strip().removeprefix("error: ")[:600]
