"""`python -m app.download`: the program of the download Job.

    --source owner/name --revision COMMIT [--token-file FILE] [--verify]
    --folder FOLDER         check that a model copied to the volume by hand is complete

Exit codes: 0, the model is complete; 1, a retry may succeed and resumes where this run stopped; 2,
a retry is pointless until the named mistake is corrected. Weights are below HF_HOME; the hub is
HF_ENDPOINT.
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

from app.download.errors import DownloadError, MistakeError, Stopped
from app.download.inspect import inspect
from app.download.progress import Progress, amount

DEFAULT_ENDPOINT = "https://huggingface.co"
SOURCE = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m app.download", description="Download or check a model."
    )
    origin = root.add_mutually_exclusive_group(required=True)
    origin.add_argument("--source", metavar="OWNER/NAME", help="a model on the hub")
    origin.add_argument("--folder", type=Path, help="check a model that is already on the volume")
    root.add_argument("--revision", metavar="COMMIT", help="40 hexadecimal digits; with --source")
    root.add_argument("--token-file", type=Path, help="file with a token for the hub, if any")
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
        folder = given.folder or _download(given)
        model = inspect(folder)
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


def _download(given: argparse.Namespace) -> Path:
    if not SOURCE.fullmatch(given.source):
        raise MistakeError(
            f"--source is {given.source!r}; allowed: owner/name of a model on the hub"
        )
    if not re.fullmatch(r"[0-9a-f]{40}", given.revision or ""):
        raise MistakeError(
            f"--revision is {given.revision!r}; allowed: a commit of 40 hexadecimal digits, as "
            "a branch could change to other weights"
        )
    token = _token(given.token_file)
    # The library reads these when it is imported: no telemetry, no other token, and online, unlike
    # the pods.
    os.environ |= {
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    }
    from huggingface_hub import constants

    from app.download.hub import Repository
    from app.download.run import download

    endpoint = (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
    hub = Repository(endpoint, given.source, given.revision, token)
    return download(hub, Path(constants.HF_HUB_CACHE), Progress(), verify=given.verify)


def _token(path: Path | None) -> str | None:
    """The token, or None without a file or content, because the Job's Secret is optional.

    It is never printed and never in the environment.
    """
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MistakeError(f"--token-file {path} cannot be read: {type(error).__name__}") from None


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
