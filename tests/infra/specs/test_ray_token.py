"""Ray's token is a file that does not change under a running Ray, and no variable."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.specs import names
from infra.specs.manifests import pods
from tests.stacks import complete, settings, values

Spec = dict[str, Any]


def ray_pods(**edits: Any) -> Iterator[Spec]:
    for pod in pods(settings(**edits)):
        if pod["spec"]["containers"][0]["name"] in (names.HEAD_CONTAINER, names.WORKER_CONTAINER):
            yield pod["spec"]


@pytest.mark.parametrize("edits", [{}, complete(values())], ids=["small", "complete"])
def test_every_ray_pod_has_the_file_of_the_key_that_is_made(edits: Spec) -> None:
    found = list(ray_pods(**edits))
    assert len(found) == 3
    for spec in found:
        container = spec["containers"][0]
        (mount,) = (m for m in container["volumeMounts"] if m["mountPath"] == names.RAY_TOKEN_FILE)
        (volume,) = (v for v in spec["volumes"] if v["name"] == mount["name"])
        # Without subPath, kubelet would change the file below processes that have the old token.
        assert mount["subPath"] == volume["secret"]["items"][0]["path"]
        assert volume["secret"]["secretName"] == names.ray_token_secret(settings(**edits))
        assert volume["secret"]["items"][0]["key"] == names.RAY_TOKEN_KEY


def test_no_pod_has_the_token_in_a_variable() -> None:
    for spec in ray_pods():
        variables = {each["name"]: each for each in spec["containers"][0]["env"]}
        # KubeRay adds the variable where it is missing, and Ray ignores an empty one.
        assert variables["RAY_AUTH_TOKEN"] == {"name": "RAY_AUTH_TOKEN"}
        assert variables["RAY_AUTH_TOKEN_PATH"]["value"] == names.RAY_TOKEN_FILE
        assert "secretKeyRef" not in str(variables)
