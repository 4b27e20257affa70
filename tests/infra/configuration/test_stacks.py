"""The committed stacks load and break no rule, and prod is the original deployment."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from infra import rules
from infra.settings import StackSettings, parse, reference
from infra.settings.framework.quantities import amount
from infra.settings.secret_keys import SECRET_KEYS
from tests.commands import advised, typed
from tests.stacks import STACKS, committed, values, whole_file


def stack(name: str) -> StackSettings:
    return parse(committed(name))


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_breaks_no_rule(name: str) -> None:
    settings = stack(name)
    found = rules.require(settings, rules.gather(settings, environ={"HF_HUB_CACHE": "/none"}))
    assert [problem for problem in found if problem.severity != "hint"] == []


@pytest.mark.parametrize("name", STACKS)
def test_editors_accept_a_stack(name: str) -> None:
    jsonschema.validate(whole_file(name), reference.editor_schema())


@pytest.mark.parametrize(
    "change",
    [
        {"modells": []},
        {"models__0__dtype": "fp16"},
        {"serve__port": 80},
        {"models__0__tensor_parallel": 1},
        {"jwtKey": "plain"},
        {"userHashes": {"alice": "plain"}},
        {"auth__roles": {"user": {"max_tokens": 5}}},
        {"auth__roles": {"user": {"maxTokens": "many"}}},
        {"auth__roles": {"user": {"groups": ["all"]}}},
        {"api": {"bodyByte": 5}},
        {"models__0__api": {"n": 0}},
    ],
)
def test_editors_mark_mistakes(change: dict[str, Any]) -> None:
    def config(**changes: Any) -> dict[str, Any]:
        return {"config": {f"rayline:{k}": v for k, v in values(**changes).items()}}

    jsonschema.validate(config(), reference.editor_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config(**change), reference.editor_schema())


def test_editors_accept_every_form_of_a_role() -> None:
    every = {"groups": "*", "models": "*", "maxTokens": "*", "concurrent": None, "priority": -1}
    roles = {"user": every, "batch": {"groups": ["pooling"], "models": ["one"], "maxTokens": 5}}
    whole = values(auth__roles=roles)
    jsonschema.validate(
        {"config": {f"rayline:{k}": v for k, v in whole.items()}}, reference.editor_schema()
    )
    parse(whole)


def test_encrypted_secrets_are_accepted_by_editors() -> None:
    secure = {"secure": "v1:..."}
    config = {f"rayline:{k}": v for k, v in values().items()}
    for key in SECRET_KEYS.values():
        config[f"rayline:{key.name}"] = {"alice": secure} if key.by_user else secure
    jsonschema.validate({"config": config}, reference.editor_schema())


@pytest.mark.parametrize("path", reference.contents(), ids=lambda path: path.name)
def test_the_reference_is_not_stale(path: Path) -> None:
    assert path.read_text() == reference.contents()[path], (
        "type: python -m infra.settings.reference"
    )


def test_a_stale_reference_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "configuration.md")
    monkeypatch.setattr(reference, "EDITOR_SCHEMA", tmp_path / "configuration.schema.json")
    project = tmp_path / "Pulumi.yaml"
    project.write_text("name: rayline\nconfig:\n  rayline:old:\n    type: object\nplugins: {}\n")
    monkeypatch.setattr(reference, "PROJECT", project)
    assert reference.main(["--check"]) == 1
    assert "python -m infra.settings.reference" in capsys.readouterr().err
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    json.loads((tmp_path / "configuration.schema.json").read_text())
    written = yaml.safe_load(project.read_text())
    assert set(written) == {"name", "config", "plugins"}
    assert written["config"]["rayline:storage"] == {
        "type": "object",
        "description": "The model cache.",
        "default": {},
    }


def test_the_sandbox_has_room_for_a_second_worker() -> None:
    local = stack("local")
    assert not local.gpu_groups[1].enabled
    requests = [local.ray.head.requests, *(group.requests for group in local.gpu_groups)]
    assert sum(amount(r.cpu) for r in requests) < 1.5
    assert sum(amount(r.memory) for r in requests) <= 8 * 1024**3


def test_dev_is_one_group_with_one_worker() -> None:
    (group,) = stack("dev").gpu_groups
    assert (group.workers, group.enabled) == (1, True)


def test_prod_is_the_original_deployment() -> None:
    """Value by value (docs/origin.md); the versions are current ones."""
    prod = stack("prod")
    assert prod.cluster.namespace == "kuberay-projects"
    assert (prod.image.pull_secret, prod.image.pull_policy) == ("regcred", "IfNotPresent")
    assert (prod.storage.claim, prod.storage.storage_class) == ("model-cache-pvc", "cephfs")
    assert prod.storage.protect
    ray = prod.ray
    assert (ray.name, ray.service_account) == ("deepseek-raycluster", "sa-deepseek-cluster")
    assert ray.labels == {"prometheus.deckhouse.io/custom-target": "deepseek-raycluster"}
    assert ray.annotations == {
        "ray.io/enable-serve-service": "true",
        "prometheus.deckhouse.io/port": "8080",
        "prometheus.deckhouse.io/query-param-format": "prometheus",
        "prometheus.deckhouse.io/sample-limit": "5000",
    }
    assert ray.prometheus_host == "https://prometheus.d8-monitoring:9090"
    assert ray.grafana_host is None  # the original names Prometheus there
    assert ray.metrics_port == 8080
    assert ray.head.labels == {"component": "ray-head"}
    assert ray.head.requests.model_dump() == {"cpu": "3", "memory": "4G"}
    assert ray.head.limits.model_dump() == {"cpu": "6", "memory": "8G"}
    assert prod.auth.secret_name == "auth-config"
    assert (prod.auth.token_minutes, prod.auth.skip_expiry_check) == (60, False)
    assert [(u.name, u.role) for u in prod.auth.users] == [("alice", "admin"), ("bob", "guest")]
    assert prod.timeouts.model_ready_seconds == 1200


def test_prods_groups_are_the_original_ones() -> None:
    big, small = stack("prod").gpu_groups
    assert (big.name, big.workers, big.enabled) == ("rtx-3090", 2, True)
    assert (small.name, small.workers, small.enabled) == ("rtx-3060", 1, False)
    assert (big.gpu.memory_gib, small.gpu.memory_gib) == (24, 12)
    assert (big.node_group, small.node_group) == ("w-gpu", "w-gpu-3060")
    assert [g.labels for g in (big, small)] == [
        {"component": "ray-worker"},
        {"component": "ray-worker-3060"},
    ]
    for group in (big, small):
        assert (group.gpu.count, group.gpu.resource) == (1, "nvidia.com/gpu")
        assert group.node_group_label == "node.deckhouse.io/group"
        assert [t.model_dump() for t in group.tolerations] == [
            {"key": "dedicated.apiac.ru", "value": "w-gpu", "effect": "NoExecute"}
        ]
        assert group.requests.model_dump() == {"cpu": "8", "memory": "12G"}
        assert group.limits.model_dump() == {"cpu": "16", "memory": "24G"}
        assert group.spread


def test_prods_model_is_the_original_one() -> None:
    (model,) = stack("prod").models
    assert (model.name, model.route_prefix, model.replicas) == ("Dolphin3.0", "/", 1)
    assert model.source == "Valdemardi/Dolphin3.0-R1-Mistral-24B-AWQ"
    assert (model.tensor_parallel, model.pipeline_parallel) == (1, 2)
    assert (model.dtype, model.max_model_len) == ("float16", 32768)
    assert model.gpu_memory_utilization == 0.97


def test_a_hint_for_prod_tells_that_one_card_is_enough() -> None:
    (found,) = rules.check(stack("prod"))
    assert (found.severity, found.key) == ("hint", "rayline:models[0]")
    assert "fits 1 card of rtx-3090 (RTX 3090): it needs 18.8 of 22.9 GiB" in found.message
    changed = typed(committed("prod"), advised(found.message))
    assert (changed["models"][0]["pipelineParallel"], changed["models"][0]["replicas"]) == (1, 2)
    assert rules.check(parse(changed)) == []


def test_prod_would_not_fit_on_one_card_of_the_other_group() -> None:
    """The memory check is effective for this stack."""
    changed = committed(
        "prod",
        gpuGroups__1__enabled=True,
        models__0__gpuGroup="rtx-3060",
        models__0__pipelineParallel=1,
    )
    keys = {p.key for p in rules.check(parse(changed)) if p.severity == "error"}
    assert keys == {"rayline:models[0]"}
