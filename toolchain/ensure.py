"""Make tools available: from PATH, the cache, a vendor's download, or a build, in this order."""

import time
from collections.abc import Iterable
from pathlib import Path

from toolchain import gocache
from toolchain.build import build, find_go
from toolchain.fetch import DownloadError, Fetcher
from toolchain.links import key_of_links, make_links
from toolchain.model import Tool
from toolchain.prebuilt import address, install
from toolchain.probe import find_on_path
from toolchain.report import Reporter, Silent
from toolchain.settings import Settings
from toolchain.store import Store


def ensure(
    names: Iterable[str] | None = None,
    *,
    report: Reporter,
    settings: Settings | None = None,
    tests: bool = False,
) -> dict[str, Path]:
    """Make the named tools available; returns a folder with `bin` per tool. None: all, with `tests`
    also the optional ones, because rayline's own tests run them.

    Raises UserError if Go is needed and missing, CommandError if a build fails. Tools that
    are finished by then stay in the cache.
    """
    run = _Run(settings if settings is not None else Settings.from_environment(), report)
    tools = _select(run.settings.tools, names, tests=tests)
    found = {tool.name: run.present(tool) for tool in tools}
    for tool in tools:
        if found[tool.name] is None:
            found[tool.name] = run.download(tool)
    missing = [tool for tool in tools if found[tool.name] is None]
    if missing:
        go = find_go(missing, run.settings)
        with gocache.in_use(run.settings.cache):
            for tool in missing:
                found[tool.name] = run.build(tool, go)
    if names is None and gocache.drop(run.settings.cache):
        report.note("every tool is available, so Go's caches were removed")
    return {name: folder for name, folder in found.items() if folder is not None}


def present(names: Iterable[str], *, settings: Settings | None = None) -> dict[str, Path] | None:
    """The folders that `ensure` would return; None if it would have to download or build one."""
    run = _Run(settings if settings is not None else Settings.from_environment(), Silent())
    found = {tool.name: run.present(tool) for tool in _select(run.settings.tools, names)}
    whole = {name: folder for name, folder in found.items() if folder is not None}
    return whole if len(whole) == len(found) else None


def _select(
    tools: tuple[Tool, ...], names: Iterable[str] | None, *, tests: bool = False
) -> list[Tool]:
    """The named tools in the catalogue's order; ValueError for a name that is not in it."""
    if names is None:
        return [tool for tool in tools if tests or not tool.optional]
    wanted = set(names)
    unknown = wanted - {tool.name for tool in tools}
    if unknown:
        raise ValueError(f"not in the catalogue: {', '.join(sorted(unknown))}")
    return [tool for tool in tools if tool.name in wanted]


class _Run:
    """One call of `ensure`. Each method tries one way to a tool; it returns a folder or None."""

    def __init__(self, settings: Settings, report: Reporter) -> None:
        self.settings = settings
        self._report = report
        self._fetcher = Fetcher(settings.connect_timeout, settings.stall_timeout)

    def present(self, tool: Tool) -> Path | None:
        """From PATH or from the cache."""
        self._store(tool).sweep()
        return self._from_path(tool) or self._cached(tool)

    def download(self, tool: Tool) -> Path | None:
        """From the vendor; None, reported in one line, if that fails."""
        addresses = [
            address(template, self.settings.arch)
            for download in tool.downloads
            for template in (download.checksum_url, download.url)
        ]
        closed = not self.settings.use_prebuilt or not addresses
        if closed or any(self._fetcher.given_up(url) for url in addresses):
            return None
        store = self._store(tool)
        with store.locked(lambda: self._wait(tool)):
            if cached := self._cached(tool):
                return cached
            self._report.begin(tool.label, "downloading")
            began, outcome = time.monotonic(), "download stopped"
            try:
                with store.staging() as staging:
                    s = self.settings
                    folder = install(
                        tool, s.arch, staging, self._fetcher, s.environ, s.probe_timeout
                    )
                    published = store.publish(folder, self._key(tool))
                outcome = "downloaded"
                return published
            except DownloadError as error:
                outcome = f"download failed ({error}; it will be built)"
                return None
            finally:
                self._report.end(tool.label, outcome, time.monotonic() - began)

    def build(self, tool: Tool, go: str) -> Path:
        """From source; CommandError if that fails."""
        store = self._store(tool)
        with store.locked(lambda: self._wait(tool)):
            if cached := self._cached(tool):
                return cached
            self._report.begin(tool.label, f"building from source (log: {store.log})")
            began, outcome = time.monotonic(), "build failed"
            try:
                with store.staging() as staging:
                    folder = build(tool, self.settings, go, staging, store.log)
                    published = store.publish(folder, self._key(tool))
                outcome = "built from source"
                return published
            finally:
                self._report.end(tool.label, outcome, time.monotonic() - began)

    def _from_path(self, tool: Tool) -> Path | None:
        s = self.settings
        binaries = find_on_path(tool, s.environ, s.cache, s.probe_timeout) if s.use_path else None
        if binaries is None:
            return None
        store, key = self._store(tool), key_of_links(binaries)
        if present := store.get(key, binaries):
            return present
        with store.locked(lambda: self._wait(tool)), store.staging() as staging:
            if present := store.get(key, binaries):
                return present
            make_links(binaries, staging / "out" / "bin")
            folders = sorted({str(path.parent) for path in binaries.values()})
            self._report.note(f"{tool.label}: found on PATH in {', '.join(folders)}")
            return store.publish(staging / "out", key)

    def _cached(self, tool: Tool) -> Path | None:
        return self._store(tool).get(self._key(tool), tool.binaries)

    def _key(self, tool: Tool) -> str:
        return tool.key(self.settings.sources, self.settings.arch)

    def _store(self, tool: Tool) -> Store:
        return Store(self.settings.cache, tool.name)

    def _wait(self, tool: Tool) -> None:
        self._report.note(f"{tool.label}: waiting for another run that provides it")
