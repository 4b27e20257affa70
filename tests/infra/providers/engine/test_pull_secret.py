"""The pull Secret under the real Pulumi engine, on a real API server."""

import base64
import json
from pathlib import Path

import pytest

from tests.apiserver.server import ApiServer
from tests.infra.providers.engine.programs import on_the_api_server, with_kubernetes

# Seconds for each command of the engine, and the binaries of `make tools`.
pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.apiserver]

PROGRAM = f"""PullSecret(
    "pull-secret",
    PullSecretArgs(
        manifest=args["manifest"],
        registry="registry.example.com",
        username="me",
        password=pulumi.Output.secret(args["password"]),
    ),
    {on_the_api_server("enable_secret_mutable")},
)"""


def test_credentials_are_encrypted_in_the_state_and_change_in_place(
    api_server: ApiServer, api_namespace: str, tmp_path: Path
) -> None:
    program = with_kubernetes(tmp_path, api_server)
    program.write(
        "import pulumi_kubernetes as kubernetes\n"
        "from infra.components.pull_secret import PullSecret, PullSecretArgs",
        PROGRAM,
    )
    manifest = {
        "metadata": {"name": "pull", "namespace": api_namespace},
        "type": "kubernetes.io/dockerconfigjson",
    }

    def up(password: str) -> tuple[str, str]:
        """The password in the cluster, and the uid of the Secret."""
        program.args(manifest=manifest, password=password)
        shown = program.up()
        secret = api_server.get("v1", "Secret", "pull", api_namespace)
        content = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
        login = content["auths"]["registry.example.com"]
        for text in (password, login["auth"], secret["data"][".dockerconfigjson"]):
            assert text not in shown
            assert text not in program.state()
        return login["password"], secret["metadata"]["uid"]

    first = up("canary-one")
    later = up("canary-two")
    assert (first[0], later[0]) == ("canary-one", "canary-two")
    assert first[1] == later[1], "the Secret was replaced"
    program.destroy()
    assert api_server.find("v1", "Secret", "pull", api_namespace) is None
