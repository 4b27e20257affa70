"""`python -m app.download.manage`: lists and removes weights in the model cache.

    list                            every repository and commit, with the bytes that it alone uses
    remove owner/name@COMMIT...     remove commits; what other commits use stays
    remove owner/name...            remove whole repositories

Without `--yes`, `remove` only says what it would do. Exit codes: 0; 1, a download of that
repository is running; 2, there is no such repository or commit.
"""

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from app.download.cache import try_lock
from app.download.errors import DownloadError, MistakeError
from app.download.progress import amount


class Repository:
    """One repository in the cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name.removeprefix("models--").replace("--", "/")

    @property
    def commits(self) -> list[str]:
        """The commits with a folder of their own."""
        return sorted(path.name for path in self.folder.glob("snapshots/*"))

    def blobs(self, commit: str) -> set[Path]:
        """The blobs that a commit uses."""
        links = (self.folder / "snapshots" / commit).rglob("*")
        found = {link.resolve() for link in links if link.is_symlink()}
        return {blob for blob in found if blob.parent == (self.folder / "blobs").resolve()}

    def only(self, commits: set[str]) -> set[Path]:
        """The blobs that no other commit uses."""
        mine = {blob for commit in commits for blob in self.blobs(commit)}
        return mine - {blob for other in set(self.commits) - commits for blob in self.blobs(other)}

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep download Jobs out. `DownloadError` if one of them is running."""
        record = self.folder / ".rayline" / "lock"
        record.parent.mkdir(exist_ok=True)
        with record.open("a") as stream:
            if not try_lock(stream.fileno()):
                raise DownloadError(f"a download of {self.name} is running; try later")
            yield

    def remove(self, commits: set[str]) -> None:
        """Remove commits, or everything if none would be left."""
        with self.locked():
            if commits >= set(self.commits):
                shutil.rmtree(self.folder)
                return
            blobs = self.only(commits)
            for commit in commits:
                for record in (self.folder / ".rayline").glob(f"{commit}*.json"):
                    record.unlink()
                shutil.rmtree(self.folder / "snapshots" / commit)
            for blob in blobs:
                blob.unlink(missing_ok=True)


def repositories(cache: Path) -> dict[str, Repository]:
    """The repositories in the cache by name."""
    found = (Repository(path) for path in sorted(cache.glob("models--*")) if path.is_dir())
    return {each.name: each for each in found}


def size(blobs: set[Path]) -> int:
    """Bytes of the blobs that exist."""
    return sum(blob.stat().st_size for blob in blobs if blob.exists())


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code as described above."""
    root = argparse.ArgumentParser(prog="python -m app.download.manage")
    verbs = root.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="list repositories and commits")
    removal = verbs.add_parser("remove", help="remove repositories or commits")
    removal.add_argument("what", nargs="+", metavar="OWNER/NAME[@COMMIT]")
    removal.add_argument("--yes", action="store_true", help="remove them, not only say so")
    given = root.parse_args(arguments)
    cache = Path(os.environ.get("HF_HOME", "/data/model-cache")) / "hub"
    try:
        known = repositories(cache)
        if given.verb == "list":
            _list(known, cache)
        else:
            _remove(known, given.what, sure=given.yes)
    except DownloadError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _list(known: dict[str, Repository], cache: Path) -> None:
    for name, repository in known.items():
        for commit in repository.commits:
            print(f"{amount(size(repository.only({commit}))):>12}  {name}@{commit}")
    if cache.is_dir():
        print(f"{amount(shutil.disk_usage(cache).free):>12}  free")


def _remove(known: dict[str, Repository], what: list[str], *, sure: bool) -> None:
    wanted: dict[str, set[str]] = {}
    for each in what:
        name, at, commit = each.partition("@")
        if name not in known or (at and commit not in known[name].commits):
            raise MistakeError(f"the cache does not contain {each}; `list` shows what it contains")
        wanted.setdefault(name, set()).update({commit} if at else known[name].commits)
    for name, commits in wanted.items():
        repository = known[name]
        freed = amount(size(repository.only(commits)))
        if sure:
            repository.remove(commits)
        for commit in sorted(commits):
            print(f"{'removed' if sure else 'would remove'} {name}@{commit}")
        print(f"{'freed' if sure else 'would free'} {freed}{'' if sure else '; add --yes'}")


if __name__ == "__main__":
    sys.exit(main())
