"""What infra writes, read by app's own parsers. The two packages share no import."""

import ast
import json
import random
import string

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.auth import config as app_auth
from app.auth import passwords, source
from app.engine import kernels
from app.engine.media import NONE
from app.engine.placement import deployment_placement
from app.engine.settings import from_environment
from infra.settings import StackSettings
from infra.specs import kernel_cache, names, pods, serve_config
from infra.specs.auth_config import alias, auth_config
from tests.infra.specs.original import ORIGINAL, original, production
from tests.stacks import ROOT

KEY = "k9xw2Vb7Qm4Zr8Ty1Lp6Nd3Hs5Jf0Gc-"
OLD_KEY = "0aYb8Xc6Wd4Ve2Uf1Tg3Sh5Ri7Qj9Pk_"


@pytest.fixture(params=["original", "production"])
def settings(request: pytest.FixtureRequest) -> StackSettings:
    return original() if request.param == "original" else production()


def test_the_service_reads_the_folder_of_kernels_where_workers_offer_it() -> None:
    assert kernel_cache.VARIABLE == kernels.FOLDER
    assert kernel_cache.environment(original()) == {kernels.FOLDER: names.KERNEL_CACHE_MOUNT}


def test_the_engine_gets_the_settings_of_the_model() -> None:
    (model,) = original().models
    found = from_environment(serve_config.environment(model), "cuda")
    assert found.arguments == {
        "model": "Valdemardi/Dolphin3.0-R1-Mistral-24B-AWQ",
        "revision": "0" * 40,
        "served_model_name": "Dolphin3.0",
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 2,
        "dtype": "float16",
        "gpu_memory_utilization": 0.97,
        "max_model_len": "32768",
        "max_num_seqs": 128,
        "allowed_media_domains": [NONE],
        "cpu_offload_gb": 12.0,
        "enable_chunked_prefill": True,
        "enforce_eager": True,
        "distributed_executor_backend": "ray",
    }
    assert (found.gpu_group, found.replica_cpus, found.drain_seconds) == ("rtx-3090", 1.0, 120.0)


def test_unset_keys_of_a_model_are_left_to_the_engine() -> None:
    (model,) = original(models=[{"name": "a", "source": "b/c", "gpuGroup": "rtx-3090"}]).models
    found = from_environment(serve_config.environment(model), "cuda").arguments
    assert found.keys().isdisjoint({"revision", "max_model_len", "cpu_offload_gb", "enforce_eager"})


def test_engine_arguments_arrive_with_their_types() -> None:
    wanted = {"quantization": "awq_marlin", "seed": 3, "enable_prefix_caching": False}
    (model,) = original(models=[{**ORIGINAL["models"][0], "engineArgs": wanted}]).models
    found = from_environment(serve_config.environment(model), "cuda").arguments
    assert wanted.items() <= found.items()


def test_a_models_own_environment_adds_and_does_not_replace() -> None:
    (model,) = original(
        models=[{**ORIGINAL["models"][0], "env": {"VLLM_X": "1", "HF_HUB_OFFLINE": "0"}}]
    ).models
    env = serve_config.environment(model)
    assert (env["VLLM_X"], env["HF_HUB_OFFLINE"]) == ("1", "1")


def test_every_model_of_the_stack_is_accepted(settings: StackSettings) -> None:
    for model in settings.models:
        env = serve_config.environment(model)
        assert all(isinstance(value, str) for value in env.values())
        found = from_environment(env, "cuda")
        assert found.tensor_parallel * found.pipeline_parallel == model.gpus


def test_the_deployment_has_the_name_that_the_code_gives_it() -> None:
    # Not imported: that needs Ray.
    assigned = [
        ast.literal_eval(statement.value)
        for statement in ast.parse((ROOT / "app" / "main.py").read_text()).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "DEPLOYMENT"
    ]
    assert assigned == [serve_config.DEPLOYMENT]


def test_a_worker_offers_the_resource_that_replicas_request() -> None:
    settings = original()
    (model,) = settings.models
    asked = deployment_placement(from_environment(serve_config.environment(model), "cuda"))
    bundle = asked["placement_group_bundles"][0]  # type: ignore[index]
    group = settings.group(model.gpu_group)
    offered = json.loads(pods.worker_start_params(settings, group)["resources"].strip("'"))
    assert 0 < bundle[group.name] <= offered[group.name]


def test_the_secret_is_mounted_where_the_service_looks() -> None:
    assert str(source.DEFAULT_FOLDER) == names.AUTH_MOUNT


def test_the_service_knows_the_users_of_the_stack(settings: StackSettings) -> None:
    hashes = {
        user.name: passwords.hash_password(f"secret {user.name}") for user in settings.auth.users
    }
    found = app_auth.parse(auth_config(settings.auth, hashes, KEY, None))
    assert {name: user.role for name, user in found.users.items()} == {
        user.name: user.role for user in settings.auth.users
    }
    assert {user.username: user.hashed_password for user in found.users.values()} == hashes
    assert len(found.keys) == 1


def test_every_setting_of_auth_arrives() -> None:
    settings = original(
        auth={
            "tokenMinutes": 5,
            "skipExpiryCheck": True,
            "users": [{"name": "zoe", "role": "batch"}],
            "roles": {"batch": {"groups": ["pooling"], "priority": 10}},
            "revokedServiceTokens": ["one", "two"],
        }
    )
    hashes = {"zoe": passwords.hash_password("a secret of zoe's")}
    found = app_auth.parse(auth_config(settings.auth, hashes, KEY, f"{OLD_KEY}, {OLD_KEY[::-1]}"))
    assert (found.token_minutes, found.skip_exp_check) == (5, True)
    assert found.revoked == {"one", "two"}
    assert found.roles["batch"].priority == 10
    assert [key.secret.decode() for key in found.keys] == [KEY, OLD_KEY, OLD_KEY[::-1]]


def test_a_user_without_a_hash_is_an_error() -> None:
    with pytest.raises(KeyError, match="bob"):
        auth_config(original().auth, {"alice": "A"}, KEY, None)


def test_outputs_are_passed_on_without_inspection() -> None:
    opaque = object()
    data = auth_config(original().auth, {"alice": opaque, "bob": opaque}, opaque, opaque)
    assert data["JWT_KEY"] is data["JWT_PREVIOUS_KEYS"] is data["BOB_HASHED_PASSWORD"] is opaque


USER_NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")
# Names that differ only in characters that an alias cannot contain.
ALIKE = st.text(alphabet="aA.-_1", min_size=1, max_size=4).filter(lambda name: name[0].isalnum())


@examples(max_examples=30)
@given(st.lists(USER_NAMES | ALIKE, unique=True, min_size=1, max_size=12))
def test_any_users_reach_the_service_under_their_own_names(users: list[str]) -> None:
    settings = original(auth={"users": [{"name": name} for name in users]})
    hashes = {name: f"{number:032x}{number:064x}" for number, name in enumerate(users)}
    found, problems = app_auth.parse_users(auth_config(settings.auth, hashes, KEY, None))
    assert problems == []
    assert {name: user.hashed_password for name, user in found.items()} == hashes


def test_an_alias_does_not_depend_on_other_users() -> None:
    letters = random.Random(1)
    users = ["".join(letters.choices(string.ascii_lowercase, k=8)) for _ in range(50)]
    assert [alias(user) for user in users] == [user.upper() for user in users]
    assert alias("Alice") != alias("alice") == "ALICE"
