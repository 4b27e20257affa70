"""The download Job: what it runs, and when it changes the owner of the cache."""

import subprocess
from pathlib import Path

import pytest

from infra.specs import Spec, names
from infra.specs.download_job import FIX_OWNER, arguments, download_job
from infra.specs.pod_templates import pod_templates
from tests.infra.specs.original import IMAGE, ORIGINAL, original

FOLDER = {**ORIGINAL["models"][0], "source": "/data/model-cache/mine", "revision": None}


def pod(**changes: object) -> Spec:
    settings = original(**changes)
    spec: Spec = download_job(settings, settings.models[0], IMAGE)["spec"]["template"]["spec"]
    return spec


def test_the_hub_and_the_cache_are_configured() -> None:
    (container,) = pod(hub={"endpoint": "https://mirror.example.com/hf"})["containers"]
    assert container["command"] == ["python", "-m", "app.download"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert env == {"HF_HOME": "/data/model-cache", "HF_ENDPOINT": "https://mirror.example.com/hf"}


def test_a_model_of_the_hub_is_downloaded_at_its_revision() -> None:
    settings = original()
    assert arguments(settings, settings.models[0]) == [
        "--source",
        "Valdemardi/Dolphin3.0-R1-Mistral-24B-AWQ",
        "--revision",
        "0" * 40,
        "--token-file",
        "/etc/rayline/hub-token/token",
        "--proxy-file",
        "/etc/rayline/hub-token/proxy",
        "--ca-file",
        "/etc/rayline/hub-token/ca.pem",
    ]


def test_a_folder_is_mounted_read_only_and_gets_no_token() -> None:
    settings = original(models=[FOLDER])
    assert arguments(settings, settings.models[0]) == ["--folder", "/data/model-cache/mine"]
    spec = pod(models=[FOLDER])
    assert [volume["name"] for volume in spec["volumes"]] == ["model-cache"]
    assert spec["containers"][0]["volumeMounts"][0]["readOnly"] is True


def test_the_token_is_a_file_that_may_be_absent() -> None:
    volume = next(v for v in pod()["volumes"] if v["name"] == "hub-token")
    assert volume["secret"] == {
        "secretName": "deepseek-raycluster-hub-token",
        "optional": True,
        "defaultMode": 0o440,
    }


def test_a_failed_download_is_retried_and_its_logs_are_kept() -> None:
    settings = original(timeouts={"downloadSeconds": 77})
    spec = download_job(settings, settings.models[0], IMAGE)["spec"]
    assert spec["activeDeadlineSeconds"] == 77
    assert spec["backoffLimit"] > 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert "ttlSecondsAfterFinished" not in spec


def test_each_container_has_the_image_in_one_place() -> None:
    without, with_fix = pod(), pod(storage={"fixPermissions": True})
    assert str(without).count(IMAGE) == 1
    assert str(with_fix).count(IMAGE) == 2
    assert with_fix["initContainers"][0]["image"] == IMAGE


def test_only_the_change_of_owner_runs_as_root() -> None:
    assert "initContainers" not in pod()
    spec = pod(storage={"fixPermissions": True})
    assert spec["securityContext"]["runAsUser"] == 1000
    (fix,) = spec["initContainers"]
    assert fix["securityContext"]["runAsUser"] == 0
    assert fix["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert [mount["mountPath"] for mount in fix["volumeMounts"]] == [names.CACHE_MOUNT]


@pytest.mark.parametrize(("owner", "asked"), [("1000:100", []), ("0:0", ["child", "folder"])])
def test_the_owner_is_changed_where_it_differs_and_the_folders_last(
    tmp_path: Path, owner: str, asked: list[str]
) -> None:
    folder, tools = tmp_path / "cache", tmp_path / "bin"
    (folder / "hub").mkdir(parents=True)
    tools.mkdir()
    log = tmp_path / "log"
    program(tools / "stat", f"echo {owner}")
    program(tools / "chown", f'for last; do :; done; echo "$last $*" >> {log}')
    script = FIX_OWNER.replace(names.CACHE_MOUNT, str(folder))
    subprocess.run(["/bin/sh", "-c", script], env={"PATH": f"{tools}:/usr/bin:/bin"}, check=True)
    calls = log.read_text().splitlines() if log.exists() else []
    assert ["folder" if c.split()[0] == str(folder) else "child" for c in calls] == asked
    assert all("1000:100" in call for call in calls)


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


GROUP = {
    **ORIGINAL["gpuGroups"][0],
    "nodeGroup": "w-gpu",
    "nodeSelector": {"zone": "a"},
    "tolerations": [{"key": "gpu"}, {"key": "team", "value": "llm", "effect": "NoExecute"}],
}
GPU = [
    {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "team", "operator": "Equal", "value": "llm", "effect": "NoExecute"},
]


def test_a_job_runs_where_the_models_group_does() -> None:
    spec = pod(gpuGroups=[GROUP, *ORIGINAL["gpuGroups"][1:]])
    assert spec["tolerations"] == GPU
    assert spec["nodeSelector"] == {"node.deckhouse.io/group": "w-gpu", "zone": "a"}
    assert "nodeAffinity" in spec["affinity"]
    assert "podAntiAffinity" not in spec["affinity"]


@pytest.mark.parametrize(
    ("hub", "selector", "tolerations"),
    [
        ({"nodeSelector": {}}, None, GPU),
        ({"nodeSelector": {"disk": "fast"}}, {"disk": "fast"}, GPU),
        ({"nodeSelector": {}, "tolerations": []}, None, None),
        ({"nodeSelector": {}, "tolerations": [{"key": "gpu"}]}, None, GPU[:1]),
    ],
)
def test_other_nodes_may_be_given(hub: dict, selector: object, tolerations: object) -> None:  # type: ignore[type-arg]
    spec = pod(hub=hub, gpuGroups=[GROUP, *ORIGINAL["gpuGroups"][1:]])
    assert spec.get("nodeSelector") == selector
    assert spec.get("tolerations") == tolerations
    assert "affinity" not in spec


def test_a_job_has_the_proxies_and_reaches_the_cluster_without_them() -> None:
    proxies = {"httpProxy": "http://a:1", "httpsProxy": "http://b:2", "noProxy": ["corp.example"]}
    (container,) = pod(network=proxies)["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert (env["HTTP_PROXY"], env["HTTPS_PROXY"]) == ("http://a:1", "http://b:2")
    assert env["NO_PROXY"] == "localhost,127.0.0.1,::1,.svc,.cluster.local,corp.example"


def test_a_proxy_with_a_password_is_not_in_the_jobs_environment() -> None:
    settings = original(network={"httpProxy": "http://a:1"})
    job = download_job(settings, settings.models[0], IMAGE, secret_proxy=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    env = {entry["name"] for entry in container["env"]}
    assert env == {"HF_HOME", "HF_ENDPOINT", "NO_PROXY"}


def test_ray_pods_get_no_proxy() -> None:
    proxied = original(network={"httpProxy": "http://a:1", "caConfigMap": {"name": "ca"}})
    assert pod_templates(proxied, IMAGE) == pod_templates(original(), IMAGE)


def test_certificates_of_a_config_map_are_mounted() -> None:
    spec = pod(network={"caConfigMap": {"name": "company-ca", "key": "root.pem"}})
    assert {"name": "certificates", "configMap": {"name": "company-ca"}} in spec["volumes"]
    (container,) = spec["containers"]
    mount = next(m for m in container["volumeMounts"] if m["name"] == "certificates")
    assert f"{mount['mountPath']}/root.pem" in container["args"]


def test_extra_sources_and_load_format_are_other_downloads() -> None:
    def name(**changes: object) -> str:
        settings = original(models=[{**ORIGINAL["models"][0], **changes}])
        return str(download_job(settings, settings.models[0], IMAGE)["metadata"]["name"])

    extra = {"source": "owner/extra", "revision": "1" * 40}
    found = {
        name(),
        name(extraSources=[extra]),
        name(extraSources=[{**extra, "use": "model"}]),
        name(engineArgs={"load_format": "pt"}),
        name(engineArgs={"trust_remote_code": True}),
    }
    assert len(found) == 5
    assert name(engineArgs={"quantization": "awq_marlin"}) == name()


def test_a_folder_with_extra_sources_is_checked_after_they_are_downloaded() -> None:
    extra = {"source": "owner/extra", "revision": "1" * 40}
    folder = {**FOLDER, "extraSources": [extra]}
    spec = pod(models=[folder])
    (container,) = spec["containers"]
    assert container["args"][:2] == ["--folder", "/data/model-cache/mine"]
    assert f"--also=files:owner/extra@{'1' * 40}" in container["args"]
    assert "readOnly" not in container["volumeMounts"][0]
