"""Size and shape of a model from the hub: the list of its files, config.json and an index, but no
weights."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi, errors, hf_hub_download
from huggingface_hub.utils.tqdm import disable_progress_bars

from infra.facts.hub_cache import INDEX
from infra.facts.model_facts import ModelFacts, from_config

TIMEOUT_S = 30.0
# As app.download.selection: vLLM loads the safetensors of the repository's root, or else pickles.
# `consolidated` is Mistral's second copy of the same weights.
_WEIGHTS = (
    re.compile(r"(?!consolidated)[^/]+\.safetensors"),
    re.compile(r"[^/]+\.safetensors"),
    re.compile(r"(?!training_args|optimizer|scheduler)[^/]+\.(bin|pt|pth)"),
)


class HubError(Exception):
    """The hub does not give the facts; the message states what to do."""


def read(source: str, revision: str, endpoint: str) -> ModelFacts:
    """The facts of one commit. The token is that of huggingface_hub: HF_TOKEN, or of its login."""
    disable_progress_bars()
    with _translated(source, revision, endpoint):
        api = HfApi(endpoint=endpoint)
        found = api.model_info(source, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
        sizes = {file.rfilename: file.size or 0 for file in found.siblings or ()}
        if "config.json" not in sizes:
            raise HubError(
                f"{source} has no config.json at {revision}, so vLLM cannot load it. Set `source` "
                "to a repository of the model in the format of Transformers."
            )
        config = _json(source, revision, endpoint, "config.json")
        total = None
        if INDEX in sizes:
            metadata = _json(source, revision, endpoint, INDEX).get("metadata")
            total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if not isinstance(total, int) or isinstance(total, bool) or total < 1:
        total = _of_files(sizes)
    if not total:
        raise HubError(
            f"{source} contains no weights that vLLM loads: no *.safetensors and no *.bin. Set "
            "`source` to a repository with safetensors."
        )
    return from_config(config, total)


def _of_files(sizes: dict[str, int]) -> int:
    for kind in _WEIGHTS:
        total = sum(size for name, size in sizes.items() if kind.fullmatch(name))
        if total:
            return total
    return 0


def _json(source: str, revision: str, endpoint: str, name: str) -> dict[str, Any]:
    # Not into the cache: a cache with config.json alone would look like a partial download.
    with tempfile.TemporaryDirectory() as folder:
        path = hf_hub_download(source, name, revision=revision, endpoint=endpoint, local_dir=folder)
        try:
            content = json.loads(Path(path).read_bytes())
        except ValueError as error:
            raise HubError(f"{name} of {source} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise HubError(f"{name} of {source} is not a JSON object.")
    return content


@contextmanager
def _translated(source: str, revision: str, endpoint: str) -> Iterator[None]:
    """The library's errors as ours. No message quotes an address with a signature or a token."""
    page, token = f"{endpoint}/{source}", "type: export HF_TOKEN=<token>"
    try:
        yield
    except errors.GatedRepoError:
        raise HubError(
            f"{source} is gated: accept its terms at {page}, then {token} of that account"
        ) from None
    except errors.RevisionNotFoundError:
        raise HubError(
            f"{source} has no commit {revision}: set `revision` to one of {page}/commits/main"
        ) from None
    except errors.RepositoryNotFoundError:
        raise HubError(
            f"{endpoint} has no model {source}, or it is private and the token may not read it. "
            f"Correct the model's `source`, or {token} that may read it"
        ) from None
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, ConnectionError):
        raise HubError(
            _unreachable(source, endpoint, "no connection, or HF_HUB_OFFLINE is set")
        ) from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise HubError(f"{endpoint} answered {status} for {source}: {token}") from None
        raise HubError(_unreachable(source, endpoint, f"it answered {status}")) from None
    except httpx2.HTTPError as error:
        raise HubError(_unreachable(source, endpoint, type(error).__name__)) from None
    except (LookupError, TypeError, ValueError, OSError):
        raise HubError(_unreachable(source, endpoint, "its answer cannot be read")) from None


def _unreachable(source: str, endpoint: str, why: str) -> str:
    return (
        f"{endpoint} cannot be asked ({why}). Try again, or name a mirror: "
        "export HF_ENDPOINT=<https://...>, or copy the model into the local cache with: "
        f"hf download {source}"
    )
