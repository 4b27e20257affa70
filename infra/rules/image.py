"""Image references, and what the chosen builder of the image supports."""

import re

from infra.facts.machine import Facts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, remove_command, set_command
from infra.settings.image import registry_host

# https://github.com/distribution/reference/blob/v0.6.0/regexp.go: host[:port]/path, without tag.
_REPOSITORY = re.compile(
    r"([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
_TAGGED = re.compile(rf"(?P<repository>{_REPOSITORY.pattern}):(?P<tag>[A-Za-z0-9_][\w.-]{{0,127}})")


@rule
def the_image_is_pushed_to_a_repository(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """The digest is appended to the repository, so it has no tag."""
    repository = settings.image.repository
    if repository is None or _REPOSITORY.fullmatch(repository):
        return []
    key = key_path("image", "repository")
    tagged = _TAGGED.fullmatch(repository)
    repair = tagged["repository"] if tagged else "registry.example.com/llm/ray-vllm"
    return [
        error(
            key,
            f"is {repository!r}; it must be a lowercase host/path without https:// and without a "
            f"tag, because the image is used by digest. Type: {set_command(key, repair)}",
        )
    ]


@rule
def the_repository_names_its_registry(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Docker reads a first part without a dot, a port or `localhost` as a name at Docker Hub, while
    the login of a push goes to the first part.

    https://github.com/distribution/reference/blob/v0.6.0/normalize.go: splitDockerDomain
    """
    repository = settings.image.repository
    if repository is None or not _REPOSITORY.fullmatch(repository):
        return []
    if registry_host(repository) is not None:
        return []
    host, slash, _ = repository.partition("/")
    key = key_path("image", "repository")
    hub = f"docker.io/{repository}" if slash else f"docker.io/<account>/{repository}"
    return [
        error(
            key,
            f"is {repository!r}, which names no registry; the password would be sent to a host "
            f"called {host!r}. Put the registry's host first, as in "
            f"registry.example.com/llm/ray-vllm. For Docker Hub, type: {set_command(key, hub)}",
        )
    ]


@rule
def the_operators_image_has_a_tag(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """KubeRay's chart takes repository and tag as two values."""
    image = settings.operator.image
    if image is None or _TAGGED.fullmatch(image):
        return []
    key = key_path("operator", "image")
    repair = f"<repository>:v{settings.operator.version}"
    return [
        error(key, f"is {image!r}; it must be repository:tag. Type: {set_command(key, repair)}")
    ]


@rule
def a_plain_docker_engine_has_no_buildkit(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Build secrets and named builders are features of BuildKit."""
    image = settings.image
    if image.builder != "docker":
        return []
    return [
        error(
            key := key_path("image", name),
            f"needs BuildKit, but image.builder is docker. Type: {remove_command(key)}, or "
            f"{set_command(key_path('image', 'builder'), 'buildx')}",
        )
        for name, value in (
            ("pipConfig", image.pip_config),
            ("buildxInstance", image.buildx_instance),
        )
        if value is not None
    ]


@rule
def pips_configuration_exists(settings: StackSettings, facts: Facts) -> list[Problem]:
    """Otherwise the build would fail after minutes."""
    if settings.image.pip_config is None or facts.pip_config_found:
        return []
    key = key_path("image", "pipConfig")
    return [
        error(
            key,
            f"is {settings.image.pip_config!r}, which is not a readable file on this machine. "
            f"Type: {remove_command(key)}, or set it to the path of your pip.conf",
        )
    ]
