"""One encrypted key of a stack."""

from dataclasses import dataclass

from infra.settings.framework.problems import key_path


@dataclass(frozen=True)
class SecretKey:
    """A key `rayline:<name>` that is set with --secret. `command` is the command to type."""

    name: str
    description: str
    command: str
    by_user: bool = False
    """true: an object that maps user names to values; `command` then contains `<name>`."""
    encrypted: bool = True
    """false: plain text is accepted too."""

    def command_for(self, user: str) -> str:
        """The command for one user; a name such as jane.doe needs brackets in the path."""
        path = f"rayline:{self.name}.<name>"
        return self.command.replace(path, key_path(self.name, user))
