"""The two ways in which a command of the sandbox ends badly."""


class CommandError(Exception):
    """Something that should have worked did not; the command ends with exit code 1.

    `message` says what was tried and what came back; `hint` says what to look at or to type next.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(CommandError):
    """What was asked cannot be done with this machine or setting; exit code 2, nothing changed."""

    exit_code = 2
