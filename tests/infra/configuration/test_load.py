"""From Pulumi's configuration to settings and secrets."""

import asyncio
import json
import shlex
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime import config as pulumi_config

from infra import configuration
from infra.configuration import ConfigurationError
from infra.settings.secret_keys import SECRET_KEYS
from tests.commands import path_of
from tests.stacks import put, values

HASH = "0" * 96
KEY = "k3y-" * 10


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Pulumi keeps the configuration in context variables; this isolates the tests."""
    before, secrets = pulumi_config.CONFIG.get(), pulumi_config._SECRET_KEYS.get()
    yield
    pulumi_config.CONFIG.set(before)
    pulumi_config._SECRET_KEYS.set(secrets)


def configure(secret: tuple[str, ...] = (), /, **more: Any) -> None:
    """Sets the configuration as the engine passes it: texts, and JSON for lists and objects."""
    whole = {**values(), **more}
    pulumi.runtime.set_all_config(
        {
            f"rayline:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in whole.items()
        },
        [f"rayline:{key}" for key in secret],
    )


def refused() -> str:
    with pytest.raises(ConfigurationError) as caught:
        configuration.load()
    return str(caught.value)


async def opened(output: Any) -> Any:
    """The value of an Output, which must be marked as secret."""
    assert await output.is_secret()
    return await output.future()


def test_a_stack_without_secrets() -> None:
    configure()
    loaded = configuration.load()
    assert loaded.settings.models[0].name == "one"
    assert loaded.secrets == configuration.Secrets()


def test_secrets_stay_secret() -> None:
    configure(
        ("jwtKey", "userHashes", "hubToken", "rayToken", "jwtPreviousKeys", "registryPassword"),
        jwtKey=KEY,
        jwtPreviousKeys=KEY,
        userHashes={"alice": HASH},
        hubToken="hf_x",
        rayToken="t",
        registryUsername="me",
        registryPassword="pw",
    )

    async def program() -> None:
        """Outputs need an event loop, which the engine provides to a real program."""
        secrets = configuration.load().secrets
        assert secrets.users_with_hash == {"alice"}
        assert await opened(secrets.user_hashes) == {"alice": HASH}
        assert await opened(secrets.jwt_key) == KEY
        assert await opened(secrets.jwt_previous_keys) == KEY
        assert await opened(secrets.hub_token) == "hf_x"
        assert await opened(secrets.ray_token) == "t"
        assert await opened(secrets.registry_username) == "me"
        assert await opened(secrets.registry_password) == "pw"

    asyncio.run(program())


@pytest.mark.parametrize("name", [name for name, key in SECRET_KEYS.items() if key.encrypted])
def test_a_plain_secret_is_refused_and_not_repeated(name: str) -> None:
    value = {"alice": "s3cret-value"} if SECRET_KEYS[name].by_user else "s3cret-value"
    configure(**{name: value})
    text = refused()
    assert f"rayline:{name} is a secret, but it is stored in plain text" in text
    assert SECRET_KEYS[name].command in text
    assert "s3cret-value" not in text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("jwtKey", "s3cret-value", "has 12 bytes; at least 32 are required"),
        ("jwtKey", " ", "is empty"),
        ("userHashes", {"alice": "s3cret-value"}, "neither an argon2id hash"),
        ("userHashes", {"carol": HASH}, "rayline:userHashes.carol belongs to no user of"),
        ("userHashes", "s3cret-value", "is not an object of user names"),
        ("userHashes", ["s3cret-value"], "is not an object of user names"),
    ],
)
def test_unusable_secrets_are_refused_and_not_repeated(name: str, value: Any, text: str) -> None:
    configure((name,), **{name: value})
    message = refused()
    assert text in message
    assert "s3cret-value" not in message


@pytest.mark.parametrize(
    ("name", "other"),
    [("registryUsername", "registryPassword"), ("registryPassword", "registryUsername")],
)
def test_a_registry_login_has_both_parts(name: str, other: str) -> None:
    configure((name,), **{name: "s3cret-value"})
    text = refused()
    assert f"rayline:{name} is set without rayline:{other}" in text
    assert SECRET_KEYS[other].command in text
    assert "s3cret-value" not in text


def test_an_encrypted_value_in_a_plain_key_is_refused_and_not_repeated() -> None:
    configure(("ray",), ray={"env": {"A": "s3cret-value"}, "version": "s3cret-value"})
    message = refused()
    assert "rayline:ray contains an encrypted value" in message
    assert "s3cret-value" not in message


def test_an_encrypted_text_where_an_object_belongs_is_not_repeated() -> None:
    configure(("cluster",), cluster="s3cret-value")
    message = refused()
    assert "rayline:cluster is encrypted; it must be an object" in message
    assert "s3cret-value" not in message


def test_a_list_or_object_that_is_not_json() -> None:
    configure(cluster="rayline-sandbox", models="tiny")
    message = refused()
    assert "rayline:cluster is 'rayline-sandbox'; it must be an object" in message
    assert "rayline:models is 'tiny'; it must be a list" in message
    assert "pulumi config set --path 'rayline:cluster.context'" in message
    assert "is missing" not in message


def test_an_unknown_key_is_refused() -> None:
    configure(modelz="x")
    assert "rayline:modelz is not a key; did you mean 'models'?" in refused()


def test_keys_of_other_namespaces_are_ignored() -> None:
    configure()
    pulumi.runtime.set_config("kubernetes:context", "x")
    assert configuration.load().settings.cluster.context == "a"


def test_the_engines_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `pulumi up` passes it, before anything is set explicitly."""
    pulumi.runtime.set_all_config({}, [])
    engine_values = {f"rayline:{k}": json.dumps(v) for k, v in values().items()}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(engine_values))
    assert configuration.load().settings.models[0].name == "one"


@pytest.mark.parametrize("name", ["jane", "jane.doe", "jane@example.com", "a-b_c"])
def test_the_path_of_a_users_hash_is_the_key_that_is_read(name: str) -> None:
    """As Pulumi parses the path; `userHashes.jane.doe` would be a hash of `doe` inside `jane`."""
    configure(("userHashes",), auth={"users": [{"name": name}]}, userHashes={name: "s3cret-value"})
    message = refused()
    command = message.partition("Type: ")[2].partition(" | ")[2]
    (key,) = shlex.split(command)[-1:]
    assert command == f"pulumi config set --secret --path '{key}'"
    whole = put({"userHashes": {name: "s3cret-value"}}, path_of(key), HASH)
    assert whole["userHashes"] == {name: HASH}
    configure(("userHashes",), auth={"users": [{"name": name}]}, **whole)

    async def program() -> None:
        assert configuration.load().secrets.users_with_hash == {name}

    asyncio.run(program())
