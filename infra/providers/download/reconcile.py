"""Runs one Job to its end, and reports its progress."""

from collections.abc import Mapping
from typing import Any

from infra.providers.common.api_server import KubeError
from infra.providers.common.call import ProviderError
from infra.providers.common.patience import Patience
from infra.providers.common.waiting import Waiting
from infra.providers.download.job import Attempt, Job, ended


class DownloadError(ProviderError):
    """The message names the model's Job, quotes what the Job reports, and states what to type."""


class Download:
    """The download of one model during one `pulumi up`."""

    def __init__(self, job: Job, model: str, waiting: Waiting) -> None:
        self._job = job
        self._model = model
        self._waiting = waiting
        self._state = "the Job was not observed yet"
        self._patience = Patience(waiting)
        self._removing = ""
        self.created = False
        """The Job exists, or may exist because the answer to its creation was lost."""

    def run(self) -> None:
        """Return when the Job is complete. DownloadError or KubeError names the cause."""
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
        live = self._job.live()
        if live is None:
            return self._create()
        if self._removing:
            return self._removing
        attempts = self._job.attempts()
        if not self.created and (reason := self._replaces(live, attempts)):
            self._job.delete(live)
            self._removing = f"deleting the Job{reason}"
            return self._removing
        self.created = True
        end, message = ended(live.get("status") or {})
        if end == "Complete":
            return None
        if end == "Failed":
            words = next((one.words for one in reversed(attempts) if one.words), message)
            raise DownloadError(
                f"{self._model} cannot be downloaded: {_last_line(words)}\n  "
                f"More: {self._logs()}\n  Correct the model's entry in rayline:models, or what the "
                "message names, and run `pulumi up` again: it continues where this attempt ended."
            )
        return self._trouble(attempts) or self._line(attempts)

    def _replaces(self, live: Mapping[str, Any], attempts: list[Attempt]) -> str:
        """Why a Job that existed before this run is created anew; empty if it is adopted.

        The new Job keeps everything that has been downloaded.
        """
        if self._job.is_foreign(live):
            raise DownloadError(
                f"{self._model}: a Job {self._job.name} exists that this stack did not create, and "
                "is left as it is. Look at "
                f"{self._job.command(f'describe job {self._job.name}')}, and delete it if nothing "
                f"needs it: {self._job.command(f'delete job {self._job.name}')}"
            )
        end, _ = ended(live.get("status") or {})
        if end == "Failed":
            return " that failed"
        if self._job.fills_another_claim(live):
            return " of another claim"
        running = any(one.running for one in attempts)
        if not end and self._job.is_outdated(live, running=running):
            return " of an earlier configuration"
        return ""

    def _create(self) -> str:
        before, self.created = self.created, True
        try:
            self._job.create()
        except KubeError:
            self.created = before
            raise
        self._removing = ""
        return "starting"

    def _trouble(self, attempts: list[Attempt]) -> str | None:
        """What keeps the last pod from starting. DownloadError if waiting is pointless."""
        if not attempts:
            return None
        last = attempts[-1]
        verdict = self._patience.judge(last.name, last.trouble)
        if verdict is None:
            return None
        if verdict.failed:
            raise DownloadError(
                f"{self._model}: pod {last.name} of the download cannot start: {verdict.text}. "
                f"Look at {self._job.command(f'describe pod {last.name}')}. After a correction, "
                "`pulumi up` creates the Job again."
            )
        return f"pod {last.name} cannot start yet: {verdict.text}"

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
