"""Searches everything that the engine receives for secrets that are known beforehand."""

import json
from typing import Any

import pytest

from tests.infra.program.harness import HIDDEN, Program, run

CANARIES: dict[str, Any] = {
    "jwtKey": "canary-jwt-key-of-more-than-32-bytes",
    "jwtPreviousKeys": "canary-previous-key-of-more-than-32-bytes",
    "userHashes": {"alice": "ca" * 48},
    "hubToken": "canary-hub-token",
    "rayToken": "canary-ray-token",
    "registryUsername": "canary-registry-user",
    "registryPassword": "canary-registry-password",
    "pullUsername": "canary-pull-user",
    "pullPassword": "canary-pull-word",
}
PIP = "canary-pip-password"


@pytest.fixture(scope="module", params=["restApi", "rayService"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    pip = tmp_path_factory.mktemp("pip") / "pip.conf"
    pip.write_text(f"[global]\nindex-url = https://me:{PIP}@mirror.example.com/simple\n")
    return run(
        "prod",
        CANARIES,
        serve__delivery=request.param,
        image__pipConfig=str(pip),
        image__createPullSecret=True,
    )


def texts() -> list[str]:
    secrets = [PIP]
    for value in CANARIES.values():
        secrets += value.values() if isinstance(value, dict) else [value]
    return secrets


@pytest.mark.parametrize("canary", texts())
def test_a_secret_is_in_no_plain_input(program: Program, canary: str) -> None:
    plain = {urn: json.dumps(resource.shown) for urn, resource in program.resources.items()}
    assert [urn for urn, text in plain.items() if canary in text] == []
    options = {urn: json.dumps(resource.options) for urn, resource in program.resources.items()}
    assert [urn for urn, text in options.items() if canary in text] == []
    shown = {k: v for k, v in program.outputs.items() if k not in program.secret_outputs}
    assert canary not in json.dumps(shown)


@pytest.mark.parametrize("canary", texts())
def test_a_secret_arrives_where_it_belongs_and_nowhere_else(program: Program, canary: str) -> None:
    holders = {
        key for key, resource in program.custom.items() if canary in json.dumps(resource.inputs)
    }
    assert len(holders) == 1
    assert holders <= {
        "Secret auth-config",
        "Secret deepseek-raycluster-token",
        "Secret deepseek-raycluster-hub-token",
        "Secret pull-secret",
        "Image image",
    }


def test_the_content_of_a_secret_is_marked_as_a_whole(program: Program) -> None:
    for key, resource in program.custom.items():
        if key.startswith("Secret "):
            assert resource.shown["stringData"] == HIDDEN
            assert {"data", "stringData"} <= set(resource.options["additionalSecretOutputs"])


def test_only_missing_secrets_are_generated(program: Program) -> None:
    made = {key for key in program.custom if key.startswith("RandomSecret")}
    assert made == {"RandomSecret password-bob"}
    assert program.outputs["passwords"] == {"bob": "made-password-bob"}
    assert "passwords" in program.secret_outputs
    data = program["Secret auth-config"].inputs["stringData"]
    assert data["BOB_HASHED_PASSWORD"] == "hash-password-bob"
    assert data["ALICE_HASHED_PASSWORD"] == CANARIES["userHashes"]["alice"]


def test_generated_values_are_secret_in_the_state() -> None:
    program = run("prod")
    for key, resource in program.custom.items():
        if key.startswith("RandomSecret"):
            assert set(resource.options["additionalSecretOutputs"]) == {"value", "hash"}
    assert "made-jwt-key" not in json.dumps(program["Secret auth-config"].shown)
    assert program["Secret auth-config"].inputs["stringData"]["JWT_KEY"] == "made-jwt-key"


def test_without_a_hub_token_no_secret_is_created_for_it() -> None:
    assert "Secret deepseek-raycluster-hub-token" not in run("prod").custom
