"""The generated Helm chart of the KubeRay operator."""

from pathlib import Path

import pytest
import yaml

from sandbox import chart


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
    for _ in range(2):  # the second time over the first
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
