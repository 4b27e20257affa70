"""Reads the auth-config and reloads it when it changes.

kubelet replaces the files of a mounted Secret by swapping a link, so a change shows in the files'
inode, times or size. Requests trigger the check, at most every half second: no task runs in the
background, and a removed user is refused well within 2 s after the files have changed (kubelet
itself takes up to about a minute and a half to update them).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from app.auth import config, files
from app.auth.damage import mended
from app.errors import ConfigurationError

FOLDER_VARIABLE = "AUTH_CONFIG_DIR"
DEFAULT_FOLDER = Path("/etc/rayline/auth-config")
CHECK_S = 0.5
_log = logging.getLogger("rayline.auth")


def folder(environ: Mapping[str, str]) -> Path | None:
    """The folder to read, or None for the environment.

    ConfigurationError when the variable names a folder that does not exist.
    """
    named = environ.get(FOLDER_VARIABLE, "")
    path = Path(named) if named else DEFAULT_FOLDER
    if path.is_dir():
        return path
    if named:
        raise ConfigurationError(
            f"{FOLDER_VARIABLE} is {named!r}, which is not a folder; mount auth-config there"
        )
    return None


class WatchedConfig:
    """The current configuration. Refuses to start with a bad one; survives a bad change.

    After a bad change, users and revocations still follow the files, because a removed user must
    lose access (`app.auth.damage` has the rules for single files); keys, roles and the rest keep
    their values, and the log explains why.
    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._folder = folder(environ)
        self._signature: files.Signature = ()
        self._values: Mapping[str, str] = environ
        if self._folder is not None:
            self._signature = files.signature(self._folder)
            self._values = files.read_whole(self._folder)
        self._config = config.parse(self._values)
        self.generation = 0
        """Grows with every change; anything derived from an older generation must be dropped."""
        self._next_check = clock() + CHECK_S
        self._problem = ""
        self._log_summary()

    def current(self) -> config.AuthConfig:
        """The configuration as of at most CHECK_S ago. Usually costs one reading of the clock."""
        if self._folder is not None and self._clock() >= self._next_check:
            self._check(self._folder)
            self._next_check = self._clock() + CHECK_S
        return self._config

    def _check(self, path: Path) -> None:
        try:
            current = files.signature(path)
            if current == self._signature:
                return
            found = files.read(path)
        except OSError as error:
            self._log_problem(f"the folder cannot be read ({type(error).__name__})")
            return
        self._signature = current
        self._values, problems = mended(self._values, found)
        try:
            self._config = config.parse(self._values)
        except Exception as error:  # removals must apply, whatever is wrong
            problems.append(_shown(error))
            self._config = self._partial(self._values)
        self._log_problem("; ".join(problems))
        self.generation += 1
        self._log_summary()

    def _partial(self, values: Mapping[str, str]) -> config.AuthConfig:
        users, _ = config.parse_users(values)
        revoked = frozenset(config.words(values.get("REVOKED_SERVICE_TOKENS", "")))
        known = {n: u for n, u in users.items() if u.role in self._config.roles}
        return replace(self._config, users=known, revoked=self._config.revoked | revoked)

    def _log_problem(self, problem: str) -> None:
        """Log a problem once; "" when there is none any more."""
        if problem and problem != self._problem:
            _log.error("The changed auth-config cannot be used as it is: %s", problem)
        self._problem = problem

    def _log_summary(self) -> None:
        current = self._config
        _log.info(
            "auth-config generation %d: %d users, %d keys, token lifetime %d min",
            self.generation,
            len(current.users),
            len(current.keys),
            current.token_minutes,
        )
        for warning in current.warnings:
            _log.warning("auth-config: %s.", warning)


def _shown(error: Exception) -> str:
    return str(error) if isinstance(error, ConfigurationError) else type(error).__name__
