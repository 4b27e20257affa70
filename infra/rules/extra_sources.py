"""Repositories besides a model's own: replicas are offline, so each is downloaded, or refused."""

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.rules.sources import CACHE
from infra.settings import StackSettings
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    remove_command,
    set_command,
)
from infra.settings.models import Model
from infra.settings.references import plain, references


@rule
def named_repositories_are_downloaded(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """vLLM looks up each repository by name, and finds only what is in the cache
    (`EngineArgs.__post_init__` and the callers of `snapshot_download` in vLLM 0.32)."""
    return [p for i, model in enumerate(settings.models) for p in _absent(i, model)]


@rule
def a_further_repository_has_one_commit(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Code of another repository is looked up by name alone, under `refs/main` of the cache that
    all models share (`get_class_from_dynamic_module` in Transformers)."""
    problems: list[Problem] = []
    first: dict[str, str] = {}
    for i, model in enumerate(settings.models):
        for number, each in enumerate(model.extra_sources):
            revision = first.setdefault(each.source, each.revision)
            if revision != each.revision:
                key = key_path("models", i, "extraSources", number, "revision")
                problems.append(
                    error(
                        key,
                        f"is {each.revision}, but {each.source} is also used at {revision}, and "
                        "vLLM looks up code by the name alone. "
                        f"Type: {set_command(key, revision)}",
                    )
                )
    return problems


@rule
def commits_are_stated_once(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """A replica gets the folder of the commit in extraSources, so another commit has no effect."""
    problems: list[Problem] = []
    for i, model in enumerate(settings.models):
        for name, value in model.engine_args.items():
            key = key_path("models", i, "engineArgs", name)
            commits = {model.revision, *(each.revision for each in model.extra_sources)}
            if plain(name) == "tokenizer_revision" or (
                plain(name) == "code_revision" and value not in commits
            ):
                reason = "replicas use the commits of `revision` and extraSources"
                problems.append(error(key, f"has no effect: {reason}. Type: {remove_command(key)}"))
    return problems


def _absent(number: int, model: Model) -> list[Problem]:
    known = {model.source, *(each.source for each in model.extra_sources)}
    problems = []
    for found in references(model):
        if found.name in known:
            continue
        key = key_path("models", number, "engineArgs", *found.key)
        new = key_path("models", number, "extraSources", len(model.extra_sources))
        if found.name.count("/") != 1:
            whole = key_path("models", number, "engineArgs", found.key[0])
            problems.append(
                error(
                    key,
                    f"is {found.name!r}; it must be a repository as owner/name that extraSources "
                    f"pins to a commit, or a folder that begins with {CACHE}. "
                    f"Type: {remove_command(whole)}, or {set_command(key, '<owner>/<name>')}",
                )
            )
            continue
        problems.append(
            error(
                key,
                f"names the repository {found.name}, and replicas are offline: only download Jobs "
                "reach the hub. Add it at a commit, which its page shows (Files, History). Type: "
                f"{set_command(f'{new}.source', found.name)}, then: "
                f"{set_command(f'{new}.revision', '<40 hexadecimal digits>')}",
            )
        )
    return problems
