"""__main__.py: its messages about a wrong configuration, and what it exports."""

import re
import runpy
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra import configuration, stack
from infra.cluster_check import program as cluster_check
from infra.cluster_check.program import Check
from infra.configuration import Configuration
from infra.settings import parse
from infra.settings.framework.problems import error
from tests.infra.cluster_check.kubeconfigs import kubeconfig
from tests.stacks import ROOT, committed


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cluster_check.VARIABLE, "off")


def start(
    monkeypatch: pytest.MonkeyPatch, stack_name: str = "prod", **changes: Any
) -> dict[str, Any]:
    """Runs __main__.py on prod with changes and without resources; returns what it exports."""
    exported: dict[str, Any] = {}
    loaded = Configuration(parse(committed("prod", **changes)))
    monkeypatch.setattr(configuration, "load", lambda: loaded)
    monkeypatch.setattr(stack, "build", lambda _loaded, tag: {"tag": tag})
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    monkeypatch.setattr(pulumi, "get_stack", lambda: stack_name)
    runpy.run_path(str(ROOT / "__main__.py"))
    return exported


def refused(monkeypatch: pytest.MonkeyPatch, stack_name: str = "prod", **changes: Any) -> str:
    """The error that it reports; it must exit with the code that Pulumi expects."""
    logged: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", logged.append)
    with pytest.raises(SystemExit) as end:
        start(monkeypatch, stack_name, **changes)
    assert end.value.code == 32
    (text,) = logged
    return text


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", found.append)
    return found


def test_the_outputs_of_build_are_exported(
    monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    assert start(monkeypatch) == {"tag": "prod"}
    assert warned == []


def test_a_broken_rule_ends_the_program_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    logged = refused(monkeypatch, models__0__gpuGroup="none")
    assert re.search(r"models\[0\]\.gpuGroup.*Type: pulumi config", logged)
    assert warned == []


def test_the_locked_requirements_are_compared_with_the_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = "rayproject/ray:2.61.0-py311-cu128"
    logged = refused(monkeypatch, ray__version="2.61.0", image__base=base)
    assert "puts Ray 2.60.0 into the image" in logged


def test_the_files_of_a_cached_model_are_read(
    monkeypatch: pytest.MonkeyPatch, warned: list[str], tmp_path: Any
) -> None:
    """With two attention heads, three cards cannot share a layer."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    model = committed("prod")["models"][0]
    folder = tmp_path / f"models--{model['source'].replace('/', '--')}"
    snapshot = folder / "snapshots" / model["revision"]
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"num_attention_heads": 2}')
    logged = refused(
        monkeypatch,
        gpuGroups__0__gpu__count=3,
        models__0__tensorParallel=3,
        models__0__pipelineParallel=1,
    )
    assert "models[0].tensorParallel" in logged


def test_a_warning_is_shown_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    assert start(monkeypatch, operator__version="1.7.0") == {"tag": "prod"}
    (text,) = warned
    assert "KubeRay 1.7.0" in text


def test_a_hint_is_information_and_no_warning(
    monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    informed: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", informed.append)
    start(monkeypatch)
    (text,) = informed
    assert "fits 1 card of rtx-3090" in text
    assert warned == []


def test_on_the_sandboxs_stack_the_advice_is_to_edit_its_file(
    monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    logged = refused(monkeypatch, "local", models__0__gpuGroup="none")
    assert "In Pulumi.local.yaml: set rayline:models[0].gpuGroup to rtx-3090" in logged
    assert "pulumi config" not in logged


def test_a_stack_that_its_cluster_cannot_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    """Before any resource is declared; with the variable, errors are shown as warnings."""
    found = Check("production", "", "v1.34.3", "uid", (error("rayline:a", "is b. Type: c"),))
    monkeypatch.setattr(cluster_check, "check", lambda *_: found)
    monkeypatch.delenv(cluster_check.VARIABLE)
    text = refused(monkeypatch)
    assert "The cluster of context 'production' has 1 problem" in text
    assert "  - rayline:a is b. Type: c" in text
    assert "set RAYLINE_CLUSTER_CHECK=warn" in text
    monkeypatch.setenv(cluster_check.VARIABLE, "warn")
    assert start(monkeypatch) == {"tag": "prod"}
    assert warned == ["rayline:a is b. Type: c"]


def test_a_cluster_that_is_not_reached_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, warned: list[str], tmp_path: Path
) -> None:
    monkeypatch.delenv(cluster_check.VARIABLE)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "http://127.0.0.1:1")))
    assert start(monkeypatch) == {"tag": "prod"}
    assert warned == []


def test_the_rules_of_the_configuration_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*_: object) -> None:
        raise AssertionError("the cluster was asked")

    monkeypatch.setattr(cluster_check, "check", unexpected)
    monkeypatch.delenv(cluster_check.VARIABLE)
    assert "models[0].gpuGroup" in refused(monkeypatch, models__0__gpuGroup="none")


def test_an_unknown_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cluster_check.VARIABLE, "no")
    text = refused(monkeypatch)
    assert "must be error, warn, off. Type: unset RAYLINE_CLUSTER_CHECK" in text
