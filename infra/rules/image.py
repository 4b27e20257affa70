"""What the image's builder cannot do, and references that would point elsewhere."""

import re

from infra.facts.gathering import Facts
from infra.settings import StackSettings
from infra.settings.problems import Problem, error, key_path, remove_command, set_command

# https://github.com/distribution/reference/blob/v0.6.0/regexp.go: host[:port]/path, without tag.
_REPOSITORY = re.compile(
    r"([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
_TAGGED = re.compile(rf"(?P<repository>{_REPOSITORY.pattern}):(?P<tag>[A-Za-z0-9_][\w.-]{{0,127}})")


def check(settings: StackSettings, facts: Facts) -> list[Problem]:
    return [*_references(settings), *_plain_docker(settings), *_pip_config(settings, facts)]


def _references(settings: StackSettings) -> list[Problem]:
    found = []
    repository, operator = settings.image.repository, settings.operator.image
    if repository is not None and not _REPOSITORY.fullmatch(repository):
        key = key_path("image", "repository")
        tagged = _TAGGED.fullmatch(repository)
        repair = tagged["repository"] if tagged else "registry.example.com/llm/ray-vllm"
        found.append(
            error(
                key,
                f"is {repository!r}; allowed is host/path in small letters, without https:// and "
                f"without a tag, since the digest is used. Type: {set_command(key, repair)}",
            )
        )
    if operator is not None and not _TAGGED.fullmatch(operator):
        key = key_path("operator", "image")
        found.append(
            error(
                key,
                f"is {operator!r}; allowed is repository:tag. Type: "
                f"{set_command(key, f'<repository>:v{settings.operator.version}')}",
            )
        )
    return found


def _plain_docker(settings: StackSettings) -> list[Problem]:
    image = settings.image
    if image.builder != "docker":
        return []
    return [
        error(
            key := key_path("image", name),
            f"needs BuildKit, and image.builder is docker. Type: {remove_command(key)}, or "
            f"{set_command(key_path('image', 'builder'), 'buildx')}",
        )
        for name, value in (
            ("pipConfig", image.pip_config),
            ("buildxInstance", image.buildx_instance),
        )
        if value is not None
    ]


def _pip_config(settings: StackSettings, facts: Facts) -> list[Problem]:
    if settings.image.pip_config is None or facts.pip_config_found:
        return []
    key = key_path("image", "pipConfig")
    return [
        error(
            key,
            f"is {settings.image.pip_config!r}, which is no file on this machine. "
            f"Type: {remove_command(key)}, or give the path of your pip.conf",
        )
    ]
