"""Further repositories of a model: how they are downloaded, and where replicas find them.

A replica gets the folder of the pinned commit instead of the repository's name. Offline, vLLM would
look up a name without a commit under the branch `main` of the cache (`get_model_path` in
`vllm/transformers_utils/repo_utils.py`), and has no argument for the commit of some of them.
"""

import copy
from typing import Any

from infra.settings.models import Model
from infra.settings.references import plain, references, walk


def options(model: Model) -> list[str]:
    """Options of `python -m app.download` that a model needs beyond its source and revision."""
    uses = {found.name: found.use for found in references(model)}
    extra = [
        f"--also={each.use or uses.get(each.source, 'files')}:{each.source}@{each.revision}"
        for each in model.extra_sources
    ]
    arguments = {plain(name): value for name, value in model.engine_args.items()}
    if (load_format := arguments.get("load_format", "auto")) != "auto":
        extra.append(f"--load-format={load_format}")
    extra += [f"--allow-pickle={pattern}" for pattern in model.allow_pickle]
    if arguments.get("trust_remote_code") is True:
        extra.append("--trust-remote-code")
    return extra


def engine_args(model: Model, cache: str) -> dict[str, Any]:
    """The engine arguments, with folders below `cache` in place of pinned repositories."""
    pinned = {
        each.source: snapshot(cache, each.source, each.revision) for each in model.extra_sources
    }
    if model.revision is not None:
        pinned.setdefault(model.source, snapshot(cache, model.source, model.revision))
    resolved: dict[str, Any] = copy.deepcopy(dict(model.engine_args))
    changed = False
    for found in list(walk(resolved)):
        if found.name in pinned:
            found.replace(pinned[found.name])
            changed = True
    # Unchanged, also in its form: an upgrade must not restart the model.
    return resolved if changed else dict(model.engine_args)


def snapshot(cache: str, source: str, revision: str) -> str:
    """The folder of a commit in the cache
    (https://huggingface.co/docs/huggingface_hub/guides/manage-cache)."""
    return f"{cache}/hub/models--{source.replace('/', '--')}/snapshots/{revision}"
