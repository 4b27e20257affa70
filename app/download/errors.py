"""The ways in which a download ends badly, and what the Job does about each."""


class DownloadError(Exception):
    """Exit code 1: it may work the next time, and goes on where it stopped."""

    exit_code = 1


class WrongContentError(DownloadError):
    """What arrived is not what the repository lists: its size or hash differs."""


class MistakeError(DownloadError):
    """Exit code 2: it will not work until someone changes something; the message says what."""

    exit_code = 2


class Stopped(BaseException):
    """SIGTERM or SIGINT. Not an `Exception`, so that nothing on the way takes it for a failure."""
