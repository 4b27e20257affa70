"""`python -m app.download`: what the download Job runs.

    --source owner/name --revision COMMIT [--token-file FILE] [--verify]
    --folder FOLDER         a model that somebody else put on the volume: is it whole?

Exit codes: 0, the model is there; 1, it may work the next time and goes on where it stopped; 2, it
needs someone's hand first. Weights lie below HF_HOME; the hub is HF_ENDPOINT.
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
    root = argparse.ArgumentParser(prog="python -m app.download", description="Fetch a model.")
    origin = root.add_mutually_exclusive_group(required=True)
    origin.add_argument("--source", metavar="OWNER/NAME", help="a model of the hub")
    origin.add_argument("--folder", type=Path, help="check a model that is on the volume already")
    root.add_argument("--revision", metavar="COMMIT", help="40 hexadecimal digits; with --source")
    root.add_argument("--token-file", type=Path, help="file with the hub's token, if any")
    root.add_argument("--verify", action="store_true", help="read and hash what is here already")
    return root


def main(arguments: list[str] | None = None) -> int:
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
        return _failed("stopped; what has arrived is kept, and the next run goes on there", 1)
    except OSError as error:
        return _failed(*_told(error))
    print(
        f"ready: {model.kind}, {model.weights} weight file{'s' if model.weights != 1 else ''} of "
        f"{amount(model.size)} in {folder} ({time.monotonic() - started:.0f} s)",
        flush=True,
    )
    return 0


def _download(given: argparse.Namespace) -> Path:
    if not SOURCE.fullmatch(given.source):
        raise MistakeError(f"--source {given.source!r} is not owner/name of a model of the hub")
    if not re.fullmatch(r"[0-9a-f]{40}", given.revision or ""):
        raise MistakeError(
            f"--revision {given.revision!r} is not a commit of 40 hexadecimal digits: a "
            "branch would be other weights tomorrow"
        )
    token = _token(given.token_file)
    # Read when the library is imported: no telemetry, no other token, and not offline as pods are.
    os.environ |= {
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    }
    from huggingface_hub import constants

    from app.download.hub import Hub
    from app.download.run import download

    endpoint = (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
    hub = Hub(endpoint, given.source, given.revision, token)
    return download(hub, Path(constants.HF_HUB_CACHE), Progress(), verify=given.verify)


def _token(path: Path | None) -> str | None:
    """The token, or None where file or content is absent: the Job's Secret is optional. It is never
    printed, nor in the environment."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MistakeError(f"--token-file {path} cannot be read: {type(error).__name__}") from None


def _told(error: OSError) -> tuple[str, int]:
    cache = Path(os.environ.get("HF_HOME", "the volume"))
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        from app.download.store import no_room

        free = shutil.disk_usage(cache).free if cache.is_dir() else 0
        return no_room(cache / "hub", "more room than there was", free), 2
    if isinstance(error, PermissionError):
        return (
            f"{error.filename or cache} may not be written by uid {os.getuid()}. Where the volume "
            "ignores fsGroup: pulumi config set --path rayline:storage.fixPermissions true",
            2,
        )
    return f"the volume refused: {error}", 1


def _failed(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr, flush=True)
    return code


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
