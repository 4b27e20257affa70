"""The two kinds of failure of a command, each with its exit code."""


class CommandError(Exception):
    """An operation failed that should have worked; the command ends with exit code 1.

    `message` names what was tried and what came back; `hint` names what to look at or to type next.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(CommandError):
    """This machine or setting does not allow the request; exit code 2, nothing was changed."""

    exit_code = 2
