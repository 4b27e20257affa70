"""How a download can fail, and what the Job does about each failure."""


class DownloadError(Exception):
    """Exit code 1: a retry may succeed, and resumes where this run stopped."""

    exit_code = 1


class WrongContentError(DownloadError):
    """The received file differs in size or hash from what the repository lists."""


class Interrupted(DownloadError):  # noqa: N818 (an interruption is retried)
    """The hub cannot be reached or is busy, or the connection was lost.

    `pause` is the number of seconds that the hub asked to wait; None if it did not say.
    """

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


class MistakeError(DownloadError):
    """Exit code 2: a retry is pointless until someone changes what the message names."""

    exit_code = 2


class Stopped(BaseException):
    """SIGTERM or SIGINT. Not an `Exception`, so that no handler mistakes it for a failure."""
