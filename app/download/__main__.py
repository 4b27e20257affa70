"""`python -m app.download`: the program of the download Job.

    --source owner/name --revision COMMIT [--also PURPOSE:owner/name@COMMIT]... [--verify]
    --folder FOLDER         check that a model copied to the volume by hand is complete

Exit codes: 0, the model is complete; 1, a retry may succeed and resumes where this run stopped; 2,
a retry is pointless until the named mistake is corrected. Weights are below HF_HOME; the hub is
HF_ENDPOINT. HTTP_PROXY, HTTPS_PROXY and NO_PROXY apply.
"""

import argparse
import errno
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from app.download.errors import DownloadError, MistakeError, Stopped
from app.download.inspect import inspect
from app.download.pickles import Allowed
from app.download.progress import Progress, amount

DEFAULT_ENDPOINT = "https://huggingface.co"
# A name becomes the name of a folder, so it may not contain what joins its two parts there.
SOURCE = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
ALSO = re.compile(r"(model|adapter|files):([^@]+)@(.*)")


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m app.download", description="Download or check a model."
    )
    origin = root.add_mutually_exclusive_group(required=True)
    origin.add_argument("--source", metavar="OWNER/NAME", help="a model on the hub")
    origin.add_argument("--folder", type=Path, help="check a model that is already on the volume")
    root.add_argument("--revision", metavar="COMMIT", help="40 hexadecimal digits; with --source")
    root.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="PURPOSE:OWNER/NAME@COMMIT",
        help="another repository that the model needs: model, adapter, or files without weights",
    )
    root.add_argument("--load-format", default="auto", help="vLLM's load_format (default: auto)")
    root.add_argument(
        "--allow-pickle",
        action="append",
        default=[],
        metavar="PATTERN",
        help="files that may be pickles, such as pytorch_model.bin or *.pt",
    )
    root.add_argument(
        "--trust-remote-code", action="store_true", help="the model's own code runs in replicas"
    )
    root.add_argument("--token-file", type=Path, help="file with a token for the hub, if any")
    root.add_argument("--proxy-file", type=Path, help="file with a proxy's address, if any")
    root.add_argument(
        "--ca-file",
        type=Path,
        action="append",
        default=[],
        help="file with certificates to trust in addition to the public ones, if any",
    )
    root.add_argument(
        "--verify", action="store_true", help="read and hash the files that are already downloaded"
    )
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code as described above."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    given = parser().parse_args(arguments)
    try:
        started = time.monotonic()
        folder = _folder(given)
        model = inspect(folder, given.load_format, Allowed(tuple(given.allow_pickle)))
    except DownloadError as error:
        return _failed(str(error), error.exit_code)
    except Stopped:
        return _failed("stopped; the next run resumes here", 1)
    except OSError as error:
        return _failed(*_explained(error))
    print(
        f"ready: {model.kind}, {model.weights} weight file{'s' if model.weights != 1 else ''} of "
        f"{amount(model.size)} in {folder} ({time.monotonic() - started:.0f} s)",
        flush=True,
    )
    return 0


def _folder(given: argparse.Namespace) -> Path:
    """The model's folder, with everything that it needs."""
    if given.folder is None or given.also:
        return _download(given)
    return Path(given.folder)


def _download(given: argparse.Namespace) -> Path:
    token = _secret(given.token_file, "--token-file")
    proxy = _secret(given.proxy_file, "--proxy-file")
    # The library reads these when it is imported: no telemetry, no other token, and online, unlike
    # the pods.
    os.environ |= {
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    }
    from huggingface_hub import constants

    from app.download import client
    from app.download.hub import Repository
    from app.download.patience import Patience
    from app.download.references import require_code, require_known
    from app.download.run import Into, Wanted, download

    endpoint = (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
    authorities = [_secret(path, "--ca-file") for path in given.ca_file]
    http = client.create(proxy, [each for each in authorities if each])  # until the process ends

    def repository(source: str, revision: str | None, option: str) -> Repository:
        _require_pinned(source, revision, option)
        return Repository(endpoint, source, str(revision), http, token)

    pickles = Allowed(tuple(given.allow_pickle))
    model = None
    if given.source is not None:
        pinned = repository(given.source, given.revision, "--revision")
        model = Wanted(pinned, load_format=given.load_format, pickles=pickles)
    extras = [
        Wanted(repository(source, revision, "--also"), purpose, pickles=pickles)
        for purpose, source, revision in map(_also, given.also)
    ]
    known = {each.repository.source for each in extras}

    def check(folder: Path) -> None:
        require_known(folder, given.source, known, runs_code=given.trust_remote_code)

    def check_extra(folder: Path, source: str) -> None:
        if given.trust_remote_code:
            require_code(folder, source, known)

    progress = Progress()
    into = Into(Path(constants.HF_HUB_CACHE), progress, Patience(progress), given.verify)
    folder = download(model, extras, into, before_weights=check, before_extra=check_extra)
    return folder or Path(given.folder)


def _also(text: str) -> tuple[Any, str, str]:
    match = ALSO.fullmatch(text)
    if match is None:
        raise MistakeError(
            f"--also is {text!r}; allowed: model, adapter or files, then :owner/name@commit"
        )
    return match[1], match[2], match[3]


def _require_pinned(source: str, revision: str | None, option: str) -> None:
    if not SOURCE.fullmatch(source) or "--" in source or ".." in source:
        raise MistakeError(f"--source is {source!r}; allowed: owner/name of a model on the hub")
    if not COMMIT.fullmatch(revision or ""):
        raise MistakeError(
            f"{option} is {revision!r}; allowed: a commit of 40 hexadecimal digits, as "
            "a branch could change to other weights"
        )


def _secret(path: Path | None, option: str) -> str | None:
    """The content of a mounted file; None without file or content, because the Secret is optional.

    It is never printed and never in the Job's environment.
    """
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MistakeError(f"{option} {path} cannot be read: {type(error).__name__}") from None


def _explained(error: OSError) -> tuple[str, int]:
    cache = Path(os.environ.get("HF_HOME", "the volume"))
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        from app.download.cache import no_room

        free = shutil.disk_usage(cache).free if cache.is_dir() else 0
        return no_room(cache / "hub", "more space than the volume had", free), 2
    if isinstance(error, PermissionError):
        return (
            f"uid {os.getuid()} may not write {error.filename or cache}. If the volume ignores "
            "fsGroup, run: pulumi config set --path rayline:storage.fixPermissions true",
            2,
        )
    return f"the volume reported: {error}", 1


def _failed(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr, flush=True)
    return code


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
