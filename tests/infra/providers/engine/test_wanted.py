"""The ConfigMap that the head restores from, under the real engine, on a real API server."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.providers.applications.wanted import FINISHED, Wanted
from infra.providers.common.api_server import KubeClient
from tests.apiserver.server import CONTEXT, ApiServer
from tests.infra.providers.applications.ray import application, config
from tests.infra.providers.engine.programs import on_the_api_server, with_kubernetes

# Seconds for each command of the engine, and the binaries of `make tools`.
pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.apiserver]

NAME = "ray-applications"
PROGRAM = f"""WantedApplications(
    "wanted",
    WantedApplicationsArgs(manifest=args["manifest"]),
    {on_the_api_server("enable_config_map_mutable")},
)"""


def test_up_and_refresh_keep_what_the_provider_has_added(
    api_server: ApiServer,
    api_namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    program = with_kubernetes(tmp_path, api_server)
    program.write(
        "import pulumi_kubernetes as kubernetes\n"
        "from infra.components.wanted import WantedApplications, WantedApplicationsArgs",
        PROGRAM,
    )

    def up(body: dict[str, Any]) -> None:
        manifest = {
            "metadata": {
                "name": NAME,
                "namespace": api_namespace,
                "annotations": {"pulumi.com/patchForce": "true"},
            },
            "data": {"applications.json": json.dumps(body)},
        }
        program.args(manifest=manifest)
        program.up()

    def live() -> Any:
        return api_server.get("v1", "ConfigMap", NAME, api_namespace)

    first, second = config(application("a")), config(application("a", "new"))
    with KubeClient(CONTEXT) as kube:
        wanted = Wanted(kube, api_namespace, NAME)
        up(first)
        assert not wanted.is_finished(), "before the applications run"
        wanted.finish(first)
        assert wanted.is_finished()
        uid = live()["metadata"]["uid"]
        assert "unchanged" in program.refresh()
        up(first)
        assert wanted.is_finished(), "neither refresh nor `up` takes it away"
        up(second)
        assert not wanted.is_finished(), "while the applications change"
        assert FINISHED in live()["data"]
        up(first)
        assert wanted.is_finished(), "an edit that is taken back"
        assert live()["metadata"]["uid"] == uid, "changed in place"
        wanted.unfinish()
        assert FINISHED not in live()["data"]
        program.destroy()
        wanted.unfinish()
    assert api_server.find("v1", "ConfigMap", NAME, api_namespace) is None
