"""Image references, and what the builder of the image can do."""

from pathlib import Path

import pytest

from infra import rules
from infra.rules import Facts
from tests.infra.rules.stack import errors
from tests.stacks import settings

REPOSITORY, OPERATOR = "rayline:image.repository", "rayline:operator.image"


@pytest.mark.parametrize(
    ("repository", "fits"),
    [
        ("registry.example.com/llm/ray-vllm", True),
        ("localhost:5000/rayline/service", True),
        ("docker.io/team/ray-vllm", True),
        ("team/ray-vllm", False),
        ("ray-vllm", False),
        ("registry.example.com/llm/ray-vllm:1.1.2", False),
        ("localhost:5000/ray:1", False),
        ("https://registry.example.com/llm", False),
        ("registry.example.com/LLM", False),
        ("registry.example.com/llm@sha256:" + "0" * 64, False),
        ("registry.example.com/llm/", False),
    ],
)
def test_the_image_is_pushed_to_a_repository(repository: str, fits: bool) -> None:
    assert list(errors(image__repository=repository)) == ([] if fits else [REPOSITORY])


def test_a_repository_without_a_host_is_one_of_docker_hub() -> None:
    reported = errors(image__repository="team/ray-vllm")[REPOSITORY]
    assert "a host called 'team'" in reported
    command = "pulumi config set --path 'rayline:image.repository' docker.io/team/ray-vllm"
    assert reported.endswith(command)


def test_the_advice_omits_the_tag() -> None:
    reported = errors(image__repository="localhost:5000/llm/ray:1.1.2")[REPOSITORY]
    assert reported.endswith("--path 'rayline:image.repository' localhost:5000/llm/ray")


@pytest.mark.parametrize(
    ("image", "fits"),
    [
        ("quay.io/kuberay/operator:v1.6.2", True),
        ("localhost:5000/kuberay/operator:v1.6.2", True),
        ("localhost:5000/kuberay/operator", False),
        ("operator", False),
    ],
)
def test_the_operators_image_has_a_tag(image: str, fits: bool) -> None:
    assert list(errors(operator__image=image)) == ([] if fits else [OPERATOR])


@pytest.mark.parametrize("key", ["pipConfig", "buildxInstance"])
def test_a_plain_docker_engine_has_no_buildkit(key: str) -> None:
    assert errors(**{f"image__{key}": "x"}) == {}
    reported = errors(**{f"image__{key}": "x", "image__builder": "docker"})
    assert list(reported) == [f"rayline:image.{key}"]
    assert "'rayline:image.builder' buildx" in reported[f"rayline:image.{key}"]


def test_pips_configuration_exists(tmp_path: Path) -> None:
    path = tmp_path / "pip.conf"
    stack = settings(image__pipConfig=str(path))
    assert not rules.gather(stack, environ={}).pip_config_found
    assert list(errors(Facts(pip_config_found=False), image__pipConfig=str(path))) == [
        "rayline:image.pipConfig"
    ]
    path.touch()
    assert rules.gather(stack, environ={}).pip_config_found
    assert rules.gather(settings(), environ={}).pip_config_found
