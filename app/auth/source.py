"""Where the auth-config is read from, and noticing that it changed.

kubelet replaces the files of a mounted Secret by swapping a link, so a change shows in the files'
inode, time or size. They are looked at when a request comes in, at most every half second: no
task runs in the background, and a removed user is refused well within 2 s of the change of the
files (kubelet itself takes up to about a minute and a half to bring them).
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from app.auth import config

FOLDER_VARIABLE = "AUTH_CONFIG_DIR"
DEFAULT_FOLDER = Path("/etc/rayline/auth-config")
CHECK_S = 0.5
_MOST_BYTES = 1024 * 1024
_log = logging.getLogger("rayline.auth")
Signature = tuple[tuple[str, int, int, int], ...]


def folder(environ: Mapping[str, str]) -> Path | None:
    """The folder of files to read, or None for the environment. ConfigError: named but missing."""
    named = environ.get(FOLDER_VARIABLE, "")
    path = Path(named) if named else DEFAULT_FOLDER
    if path.is_dir():
        return path
    if named:
        raise config.ConfigError(f"{FOLDER_VARIABLE}={named} is no folder; mount auth-config there")
    return None


def read(path: Path) -> dict[str, str]:
    """Name -> text of every file of the folder. OSError or ConfigError when one is unreadable."""
    values = {}
    for name in _names(path):
        with (path / name).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise config.ConfigError(f"{name} is larger than {_MOST_BYTES} bytes")
        try:
            values[name] = content.decode()
        except UnicodeDecodeError:
            raise config.ConfigError(f"{name} is not UTF-8 text") from None
    return values


def signature(path: Path) -> Signature:
    """What changes whenever a file is added, removed, replaced or rewritten."""
    found = []
    for name in _names(path):
        stat = os.stat(path / name)
        found.append((name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _names(path: Path) -> list[str]:
    return sorted(name for name in os.listdir(path) if not name.startswith("."))


class Store:
    """The present configuration. Refuses to start with a bad one; survives a bad change.

    After a bad change users and revocations still follow the files, since a removed user must be
    out; keys, roles and the rest stay as they were, and the log says why.
    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._folder = folder(environ)
        self._signature: Signature = ()
        values: Mapping[str, str] = environ
        if self._folder is not None:
            self._signature = signature(self._folder)
            values = read(self._folder)
        self._config = config.parse(values)
        self.generation = 0
        """Grows with every change; what was derived from an older one must be dropped."""
        self._next_look = clock() + CHECK_S
        self._trouble = ""
        self._announce()

    def current(self) -> config.AuthConfig:
        """The configuration as of at most CHECK_S ago. Costs a clock call, mostly."""
        if self._folder is not None and self._clock() >= self._next_look:
            self._look(self._folder)
            self._next_look = self._clock() + CHECK_S
        return self._config

    def _look(self, path: Path) -> None:
        try:
            seen = signature(path)
            if seen == self._signature:
                return
            values = read(path)
        except (OSError, config.ConfigError) as error:
            self._complain(f"{type(error).__name__}: {error}")
            return
        self._signature = seen
        try:
            self._config = config.parse(values)
            self._trouble = ""
        except config.ConfigError as error:
            self._complain(str(error))
            self._config = self._partial(values)
        self.generation += 1
        self._announce()

    def _partial(self, values: Mapping[str, str]) -> config.AuthConfig:
        users, _ = config.parse_users(values)
        revoked = frozenset(values.get("REVOKED_SERVICE_TOKENS", "").replace(",", " ").split())
        known = {n: u for n, u in users.items() if u.role in self._config.roles}
        return replace(self._config, users=known, revoked=self._config.revoked | revoked)

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.error("auth-config changed and is not usable: %s", trouble)
            self._trouble = trouble

    def _announce(self) -> None:
        present = self._config
        _log.info(
            "auth-config %d: %d users, %d keys, token life %d min",
            self.generation,
            len(present.users),
            len(present.keys),
            present.token_minutes,
        )
        for warning in present.warnings:
            _log.warning("auth-config: %s", warning)
