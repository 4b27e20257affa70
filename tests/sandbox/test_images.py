"""References of images, the chart around the operator, and the bounds of the stores."""

from pathlib import Path

import pytest
import yaml

from sandbox import chart
from sandbox.cluster import manifests
from sandbox.images import base, stores, system
from sandbox.node import files
from sandbox.settings import Settings


def test_a_reference_names_tool_and_key() -> None:
    assert system.PAUSE.reference("localhost:5000", "abc") == "localhost:5000/rayline/pause:abc"


def test_the_base_image_changes_its_tag_with_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("packages.txt", "Dockerfile"):
        (tmp_path / name).write_text((base.FOLDER / name).read_text())
    (tmp_path / "authority").write_text("one")
    monkeypatch.setattr(base, "FOLDER", tmp_path)
    monkeypatch.setattr(base, "CERTIFICATES", tmp_path / "authority")
    first = base.reference("localhost:5000")
    (tmp_path / "authority").write_text("two")
    second = base.reference("localhost:5000")
    (tmp_path / "packages.txt").write_text("python3\n")
    assert len({first, second, base.reference("localhost:5000")}) == 3


def test_the_base_image_has_the_user_and_the_python_of_rays_own() -> None:
    text = (base.FOLDER / "Dockerfile").read_text()
    assert "useradd --uid 1000 --gid 100" in text
    assert "USER 1000:100" in text
    assert "/home/ray/anaconda3/bin" in text
    assert {"python3", "wget", "libnuma1"} <= set(base.packages())


@pytest.fixture
def operator(tmp_path: Path) -> Path:
    """A tool's folder with one CRD and one rule."""
    folder = tmp_path / "operator"
    (folder / "share" / "crds").mkdir(parents=True)
    (folder / "share" / "rbac").mkdir()
    (folder / "share" / "crds" / "ray.io_rayclusters.yaml").write_text("kind: CRD\n")
    rules = [{"apiGroups": ["ray.io"], "resources": ["rayclusters"], "verbs": ["get"]}]
    (folder / "share" / "rbac" / "role.yaml").write_text(yaml.safe_dump({"rules": rules}))
    return folder


def test_the_chart_holds_crds_rules_and_the_image(tmp_path: Path, operator: Path) -> None:
    target = tmp_path / "with a space" / "chart"
    for _ in range(2):  # also over an older one
        chart.generate(target, operator, "1.6.2", "localhost:5000/rayline/kuberay-operator:abc")
    values = yaml.safe_load((target / "values.yaml").read_text())
    assert values["image"] == {
        "repository": "localhost:5000/rayline/kuberay-operator",
        "tag": "abc",
        "pullPolicy": "IfNotPresent",
    }
    assert yaml.safe_load((target / "Chart.yaml").read_text())["version"] == "1.6.2"
    assert (target / "crds" / "ray.io_rayclusters.yaml").is_file()
    assert "rayclusters" in (target / "files" / "rules.yaml").read_text()
    assert sorted(p.name for p in target.parent.iterdir()) == ["chart"]


def test_a_store_over_its_bound_is_emptied_and_said_so(tmp_path: Path) -> None:
    for name in ("registry", "buildkit"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "blob").write_bytes(b"x" * 4096)
    notes: list[str] = []
    stores.enforce(tmp_path, notes.append, {"registry": 0, "buildkit": 1, "missing": 0})
    assert not (tmp_path / "registry").exists()
    assert (tmp_path / "buildkit" / "blob").exists()
    assert len(notes) == 1
    assert "registry" in notes[0]


def test_a_hard_link_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 8192)
    alone = stores.size(tmp_path)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert stores.size(tmp_path) == alone


def test_purge_removes_the_stores_and_nothing_else(tmp_path: Path) -> None:
    for name in (*stores.BOUNDS, "tools"):
        (tmp_path / name).mkdir()
    stores.purge(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["tools"]


def test_storage_classes_have_one_default_and_the_provisioners_name() -> None:
    documents = manifests.documents(Settings(), "dns:1")
    classes = [d for d in documents if d["kind"] == "StorageClass"]
    default = "storageclass.kubernetes.io/is-default-class"
    assert {c["metadata"]["name"]: c["metadata"]["annotations"][default] for c in classes} == {
        "standard": "true",
        "cephfs": "false",
    }
    source = (
        Path(manifests.__file__).parents[2]
        / "toolchain/sources/kubernetes/hostpath-provisioner/main.go"
    )
    assert f'const Name = "{manifests.PROVISIONER}"' in source.read_text()


def test_dns_answers_where_the_kubelet_points_pods_to() -> None:
    service = next(d for d in manifests.documents(Settings(), "dns:1") if d["kind"] == "Service")
    kubelet = yaml.safe_load(files.files(Settings(), "pause:1")["kubelet.yaml"])
    assert [service["spec"]["clusterIP"]] == kubelet["clusterDNS"]


def test_the_gpus_are_those_asked_for() -> None:
    patch = manifests.node_status_patch(Settings(gpus=2))
    assert patch["status"]["capacity"] == {"nvidia.com/gpu": "2"}
