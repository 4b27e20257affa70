"""Environment, labels and amounts."""

import pytest

from app.engine import settings as service
from infra.rules import environment
from infra.specs import serve_config
from tests.infra.rules.stack import errors
from tests.stacks import settings

PLACES = {
    "ray__env": "rayline:ray.env",
    "ray__head__env": "rayline:ray.head.env",
    "gpuGroups__0__env": "rayline:gpuGroups[0].env",
    "models__0__env": "rayline:models[0].env",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MAX_MODEL_LEN", ".maxModelLen"),
        ("HF_HOME", "model cache"),
        ("HF_TOKEN", "rayline:hubToken"),
        ("JWT_KEY", "rayline:jwtKey"),
        ("OPENAI_API_KEY", "secret"),
        ("DB_PASSWORD", "secret"),
        ("RAY_ADDRESS", "KubeRay sets it"),
        ("RAY_REDIS_ADDRESS", "KubeRay refuses it"),
        ("RAY_enable_autoscaler_v2", "KubeRay refuses it"),
    ],
)
def test_what_may_not_be_set(place: str, name: str, text: str) -> None:
    found = errors(**{f"{place}__{name}": "s3cret-value"})
    key = f"{PLACES[place]}.{name}"
    assert list(found) == [key]
    assert text in found[key]
    assert f"pulumi config rm --path '{key}'" in found[key]
    assert "s3cret-value" not in found[key]


@pytest.mark.parametrize("name", ["TOKENIZERS_PARALLELISM", "KEYBOARD", "OMP_NUM_THREADS", "KEY"])
def test_what_may_be_set(name: str) -> None:
    assert errors(**{f"{place}__{name}": "1" for place in PLACES}) == {}


def test_everything_that_a_model_sets_is_refused_in_env() -> None:
    model = settings(
        models__0__maxNumSeqs=1,
        models__0__cpuOffloadGb=1,
        models__0__chunkedPrefill=True,
        models__0__enforceEager=True,
        models__0__engineArgs={"a": 1},
    ).models[0]
    ours = {*environment.MODEL_VARIABLES, *environment.OTHER_VARIABLES}
    assert set(serve_config.environment(model)) <= ours
    assert set(service.ARGUMENTS) <= set(environment.MODEL_VARIABLES)


@pytest.mark.parametrize(
    ("labels", "fits"),
    [
        ({"example.com/team": "llm"}, True),
        ({"team": ""}, True),
        ({"-team": "llm"}, False),
        ({"a/b/c": "llm"}, False),
        ({"Example.com/team": "llm"}, False),
        ({"team": "two words"}, False),
        ({"team": "x" * 64}, False),
        ({"ray.io/group": "x"}, False),
        ({"app.kubernetes.io/managed-by": "me"}, False),
    ],
)
@pytest.mark.parametrize("place", ["ray__labels", "ray__head__labels", "gpuGroups__0__labels"])
def test_labels(place: str, labels: dict[str, str], fits: bool) -> None:
    assert (errors(**{place: labels}) == {}) is fits


def test_nodes_are_chosen_by_labels_too() -> None:
    assert list(errors(gpuGroups__0__nodeSelector={"a b": "c"})) == [
        'rayline:gpuGroups[0].nodeSelector["a b"]'
    ]
    assert list(errors(gpuGroups__0__nodeGroup="two words")) == [
        'rayline:gpuGroups[0]["node.deckhouse.io/group"]'
    ]
    assert errors(gpuGroups__0__nodeSelector={"ray.io/any": "c"}) == {}


def test_annotations_have_names() -> None:
    assert list(errors(ray__annotations={"a b": "c"})) == ['rayline:ray.annotations["a b"]']
    assert errors(ray__annotations={"ray.io/enable-serve-service": "true"}) == {}


@pytest.mark.parametrize(
    "name",
    ["ray.io/ft-enabled", "ray.io/external-storage-namespace", "ray.io/overwrite-container-cmd"],
)
def test_annotations_that_make_other_pods_of_it_are_refused(name: str) -> None:
    found = errors(ray__annotations={name: "true"})
    assert list(found) == [f'rayline:ray.annotations["{name}"]']


@pytest.mark.parametrize("place", ["ray__head", "gpuGroups__0"])
@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_requests_are_within_limits(place: str, name: str) -> None:
    found = errors(**{f"{place}__requests": {"cpu": "1", "memory": "1G", name: "100G"}})
    assert [key.rsplit(".", 2)[1:] for key in found] == [["requests", name]]
    equal = {"cpu": "2", "memory": "20Gi"}
    assert errors(**{f"{place}__requests": equal, f"{place}__limits": equal}) == {}


def test_shared_memory_is_part_of_the_limit() -> None:
    assert list(errors(gpuGroups__0__sharedMemory="24G")) == ["rayline:gpuGroups[0].sharedMemory"]
    assert errors(gpuGroups__0__sharedMemory="8Gi") == {}
