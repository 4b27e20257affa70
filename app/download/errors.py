"""How a download can fail, and what the Job does about each failure."""


class DownloadError(Exception):
    """Exit code 1: a retry may succeed, and resumes where this run stopped."""

    exit_code = 1


class WrongContentError(DownloadError):
    """The received file differs in size or hash from what the repository lists."""


class MistakeError(DownloadError):
    """Exit code 2: a retry is pointless until someone changes what the message names."""

    exit_code = 2


class Stopped(BaseException):
    """SIGTERM or SIGINT. Not an `Exception`, so that no handler mistakes it for a failure."""
