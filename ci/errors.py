"""The failures of pipeline commands, each with its exit code."""


class CIError(Exception):
    """One readable message; `hint` names what to set or to type."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class SetupError(CIError):
    """A variable or a tool is missing; exit code 2, nothing was run."""

    exit_code = 2


class CommentError(CIError):
    """The comment could not be written; exit code 3 if all previews succeeded."""

    exit_code = 3


class ChangedError(CIError):
    """The diff is not the approved one; exit code 4, nothing was changed."""

    exit_code = 4
