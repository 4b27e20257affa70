"""The rest of auth, variables, and all of it together: what passes a preview starts the service."""

import ast
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.auth import config as app_auth
from app.auth import source
from app.auth.tokens import MAX_SERVICE_DAYS, NAME, service_token
from app.engine import settings as engine
from app.guard import settings as app_guard
from app.guard.application import Guard as AppGuard
from infra import rules
from infra.rules import environment
from infra.settings import auth, parse
from infra.settings.api import Api
from infra.settings.framework.problems import ConfigurationError
from infra.settings.models import Model
from infra.settings.raw import read
from infra.specs.auth_config import auth_config
from infra.specs.serve_config import environment as model_environment
from tests.app.stub import StubBackend
from tests.infra.parity import (
    ANY,
    APP_GUARD,
    HASH,
    KEY,
    RIGHT_NAMES,
    RIGHT_ROLE,
    WORDS,
    hashes,
    loaded,
    parses,
    write,
)
from tests.stacks import ROOT, Location, put, values


def test_the_lifetime_of_tokens_has_the_same_bounds_and_default() -> None:
    node = auth.Auth.model_fields["token_minutes"]
    assert node.default == app_auth.DEFAULT_MINUTES
    for minutes in (0, 1, app_auth.MAX_MINUTES, app_auth.MAX_MINUTES + 1):
        ours = parses(values(auth__tokenMinutes=minutes))
        assert ours is (1 <= minutes <= app_auth.MAX_MINUTES)


@given(st.from_regex(NAME, fullmatch=True))
def test_every_service_token_can_be_revoked_by_name_and_id(name: str) -> None:
    _, token_id = service_token(app_auth.parse_keys({"JWT_KEY": KEY})[0], name, "user", 1, 0.0)
    stack = parse(values(auth__revokedServiceTokens=[name, token_id]))
    assert loaded(stack).revoked == {name, token_id}
    assert MAX_SERVICE_DAYS


@pytest.mark.parametrize("wrong", ["open webui", "a,b", "", "é"])
def test_what_the_service_would_split_is_refused(wrong: str) -> None:
    assert not parses(values(auth__revokedServiceTokens=[wrong]))


USERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")},
        optional={"role": st.sampled_from(["admin", "guest"])},
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda user: user["name"].lower(),
)
AUTH = st.fixed_dictionaries(
    {"users": USERS},
    optional={
        "roles": st.dictionaries(RIGHT_NAMES, RIGHT_ROLE, max_size=3),
        "tokenMinutes": st.integers(1, 44640),
        "skipExpiryCheck": st.booleans(),
        "revokedServiceTokens": st.lists(st.from_regex(NAME, fullmatch=True), max_size=2),
    },
)
GUARDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("n", "bodyBytes", "maxRunning"), st.integers(1, 2**31 - 1)),
        "mediaDomains": st.lists(st.sampled_from(["a.example", "B.example"])),
        "corsOrigins": st.lists(st.sampled_from(["*", "https://a.example:8443"])),
        "trustedProxies": st.lists(st.sampled_from(["10.0.0.0/8", "::1"])),
        **dict.fromkeys(("priority", "shared"), st.booleans()),
    },
)
RIGHT_KEYS = st.sampled_from([KEY, KEY[::-1], KEY.swapcase()])
PLACES = [
    *(
        ("auth", name)
        for name in ("tokenMinutes", "skipExpiryCheck", "revokedServiceTokens", "roles")
    ),
    ("auth", "users", 0, "name"),
    ("auth", "users", 0, "role"),
    *(("auth", "roles", "user", str(f.alias)) for f in auth.Role.model_fields.values()),
    *(("api", str(f.alias)) for f in Api.model_fields.values()),
    *(("models", 0, "api", str(f.alias)) for f in Api.model_fields.values()),
    ("models", 0, "stallSeconds"),
    ("models", 0, "aliases"),
]
EDITS = st.lists(st.tuples(st.sampled_from(PLACES), ANY | st.lists(WORDS)), max_size=1)


@examples(max_examples=300)
@given(
    AUTH, GUARDS, GUARDS, st.tuples(RIGHT_KEYS, RIGHT_KEYS), st.lists(hashes(), max_size=2), EDITS
)
def test_a_stack_that_passes_the_preview_starts_the_service(
    given_auth: dict[str, Any],
    api: dict[str, Any],
    own: dict[str, Any],
    keys: tuple[str, str],
    given_hashes: list[str],
    edits: list[tuple[Location, object]],
) -> None:
    """`up` cannot end well with a configuration that the service refuses: the text of each key is
    read as Pulumi passes it, the Secret's files are written, and a replica's guard is made."""
    whole = values(auth=given_auth, api=api, models__0__api=own)
    for place, value in edits:
        put(whole, place, value)
    raw = {name: json.dumps(value) for name, value in whole.items()}
    users = [user["name"] for user in given_auth["users"]]
    raw |= {"jwtKey": keys[0], "jwtPreviousKeys": keys[1]}
    raw["userHashes"] = json.dumps(dict(zip(users, given_hashes, strict=False)))
    encrypted = {"jwtKey", "jwtPreviousKeys", "userHashes"}
    try:
        stack = read(raw, encrypted)
    except ConfigurationError:
        return
    if [problem for problem in rules.check(stack) if problem.severity == "error"]:
        return
    stored = json.loads(raw["userHashes"])
    environ = model_environment(stack.models[0], stack.api)
    secret = auth_config(
        stack.auth,
        {user.name: stored.get(user.name, HASH) for user in stack.auth.users},
        *keys,
    )
    engine.from_environment(environ, "cuda")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), secret)
        environ |= {source.FOLDER_VARIABLE: folder, "GUARD_SHARED": "false"}
        AppGuard.from_environment(StubBackend(), environ).close()


# Variables: every one that the service reads has a key, or a reason why it has none.
OWN_OF_THE_POD = {
    "AUTH_CONFIG_DIR": "infra.rules.environment refuses it",
    "HF_HOME": "infra.specs.pods sets it",
    "HF_ENDPOINT": "rayline:hub.endpoint",
    "SSL_CERT_FILE": "rayline:network.caFile, in download Jobs only",
    "RAY_AUTH_TOKEN": "infra.rules.environment refuses it",
    "RAY_AUTH_TOKEN_PATH": "infra.rules.environment refuses it",
    **dict.fromkeys(
        ("RAYLINE_WANTED", "RAYLINE_RAY_TOKEN", "RAYLINE_RAY_ADDRESS", "RAYLINE_RESTORE_SECONDS"),
        "of the container `restore`, which has no environment; tests of its process set them",
    ),
    **dict.fromkeys(
        ("RAY_SERVE_HAPROXY_RETRIES", "RAY_SERVE_HAPROXY_TIMEOUT_CONNECT_S"),
        "Serve's own, of which `app.haproxy` sets the defaults",
    ),
    "KERNEL_CACHE": "rayline:storage.kernelCache",
    "FLASHINFER_WORKSPACE_BASE": "FlashInfer's own, which the service sets from the one above",
    "VLLM_LOGGING_STREAM": "vLLM's own, to which the service gives another default",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "vLLM's own, which the service turns off",
    "VLLM_MAX_IMAGE_PIXELS": "vLLM's own, which the service sets from rayline:api.mediaPixels",
    "VLLM_MAX_MEDIA_DOWNLOAD_SIZE_MB": "vLLM's own, which the service sets from mediaBodyBytes",
    "VLLM_RAY_EXTRA_ENV_VARS_TO_COPY": "vLLM's own, to which the service adds",
}


def test_every_variable_that_the_service_reads_has_a_key() -> None:
    known = {*environment.MODEL_VARIABLES, *environment.OTHER_VARIABLES, *OWN_OF_THE_POD}
    known |= {app_guard.variable(name) for name in APP_GUARD}
    assert _read_by_app() - known == set()
    keys = {str(field.alias) for field in Model.model_fields.values()}
    assert set(environment.MODEL_VARIABLES.values()) <= keys
    assert {*engine.ARGUMENTS, "ENGINE_STALL_SECONDS", "GUARD_N"} <= _read_by_app()


def _read_by_app() -> set[str]:
    """The names in `environ.get(NAME)`, `environ[NAME]`, `optional(environ, NAME)`, tables, and the
    shell's `${NAME}`, also where a constant of the module is the name."""
    names = {*engine.ARGUMENTS}
    for script in (ROOT / "app").glob("*.sh"):
        names |= set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", script.read_text()))
    names |= {str(f.validation_alias) for f in app_guard.GuardSettings.model_fields.values()}
    for path in (ROOT / "app").rglob("*.py"):
        tree = ast.parse(path.read_text())
        constants = {
            ast.unparse(target): node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
        }
        for node in ast.walk(tree):
            inside: list[ast.expr] = []
            if isinstance(node, ast.Call) and "environ" in ast.unparse(node):
                inside = node.args
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
                inside = [node.slice]
            for found in inside:
                name = found.value if isinstance(found, ast.Constant) else None
                name = constants.get(found.id) if isinstance(found, ast.Name) else name
                if isinstance(name, str) and name.isupper():
                    names.add(name)
    return names
