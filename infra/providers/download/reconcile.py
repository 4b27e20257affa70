"""Bringing one Job to its end, and saying meanwhile how far it is.

Each turn looks and does the one thing that is missing, so that a lost answer, or an earlier `up`
that was interrupted, need no case of their own.
"""

from dataclasses import dataclass

from infra.providers.common.api_server import KubeError
from infra.providers.common.clock import Clock
from infra.providers.common.progress import Progress
from infra.providers.download.errors import DownloadError
from infra.providers.download.job import Attempt, Job, ended


@dataclass(frozen=True)
class Pace:
    """Patience, in seconds."""

    poll: float = 2.0
    trouble: float = 120.0
    """A pod that cannot start for so long is a failure: no node, no image."""


class Download:
    """One run of `pulumi up` for one model."""

    def __init__(
        self, job: Job, model: str, progress: Progress, clock: Clock, pace: Pace | None = None
    ) -> None:
        self._job = job
        self._model = model
        self._progress = progress
        self._clock = clock
        self._pace = pace or Pace()
        self._troubled_since: float | None = None
        self._removing = False
        self.created = False
        """The Job exists, as far as is known."""

    def run(self) -> None:
        """Return when the Job is complete. DownloadError or KubeError names the cause.

        A Job that failed before this run is made anew: what was wrong may have been repaired, and
        what has arrived is not downloaded again.
        """
        seen = "nothing was seen yet"
        while True:
            if self._progress.remaining <= 0:
                raise DownloadError(
                    f"{self._model} is not downloaded after {self._progress.elapsed:.0f} s: "
                    f"{seen}. What has arrived is kept. Look at {self._logs()}. If it only needs "
                    "longer, raise `pulumi config set --path 'rayline:timeouts.downloadSeconds' "
                    "...`"
                )
            try:
                turn = self._turn()
            except KubeError as error:
                if error.status is not None and error.status < 500 and error.status != 429:
                    raise
                turn = str(error)
            if turn is None:
                return
            seen = turn
            self._progress.state(f"{self._model}: {seen}")
            self._clock.sleep(self._pace.poll)

    def _turn(self) -> str | None:
        """What is waited for; None: nothing."""
        status = self._job.status()
        if status is None:
            self._job.create()
            self.created, self._removing = True, False
            return "starting"
        if self._removing:
            return "taking the failed Job away"
        end, message = ended(status)
        if end == "Complete":
            self.created = True
            return None
        if end == "Failed" and not self.created:
            self._job.delete()
            self._removing = True
            return "taking the failed Job away"
        self.created = True
        attempts = self._job.attempts()
        if end == "Failed":
            words = next((one.words for one in reversed(attempts) if one.words), message)
            raise DownloadError(
                f"{self._model} cannot be downloaded: {_said(words)}\n  "
                f"More: {self._logs()}\n  Correct the model's entry in rayline:models, or what the "
                "message names, and run `pulumi up` again: it goes on where this ended."
            )
        self._raise_trouble(attempts)
        return self._line(attempts)

    def _raise_trouble(self, attempts: list[Attempt]) -> None:
        last = attempts[-1] if attempts else None
        if last is None or last.trouble is None:
            self._troubled_since = None
            return
        now = self._clock.now()
        self._troubled_since = now if self._troubled_since is None else self._troubled_since
        if now - self._troubled_since >= self._pace.trouble:
            raise DownloadError(
                f"{self._model}: pod {last.name} of the download cannot start: "
                f"{last.trouble.kind}: {last.trouble.text}. "
                f"Look at {self._job.see(f'describe pod {last.name}')}"
            )

    def _line(self, attempts: list[Attempt]) -> str:
        if not attempts:
            return "waiting for a pod"
        last = attempts[-1]
        failed = [one for one in attempts if one.failed]
        if last.running:
            text = self._job.last_line(last) or "downloading"
        elif last.failed:
            text = f"waits before the next attempt; the last one: {_said(last.words)}"
        else:
            text = last.state
        return f"attempt {len(failed) + 1}, {text}" if failed and last.running else text

    def _logs(self) -> str:
        return self._job.see(f"logs -l job-name={self._job.name} --tail=50")


def _said(words: str) -> str:
    """The last line, without the word that says that it is an error."""
    lines = [line for line in words.splitlines() if line.strip()]
    return (lines or ["it gave no message"])[-1].strip().removeprefix("error: ")[:600]
