"""The stack file of `local`: the committed one, completed with the sandbox's own values."""

from pathlib import Path

import pytest
import yaml

from sandbox import chart, demo, local_stack, paths
from sandbox.local_stack import LocalStack
from sandbox.settings import Settings
from toolchain.errors import UserError


def test_the_sandboxs_parts_win_and_the_rest_stays() -> None:
    committed = {"config": {"rayline:image": {"base": "a", "tag": "b"}, "rayline:cluster": {}}}
    whole = local_stack.merged(committed, {"rayline:image": {"base": "c"}}, salt="v1:x")
    assert whole == {
        "config": {"rayline:image": {"base": "c", "tag": "b"}, "rayline:cluster": {}},
        "encryptionsalt": "v1:x",
    }
    assert committed["config"]["rayline:image"]["base"] == "a"


def test_before_the_first_time_there_is_no_salt() -> None:
    assert "encryptionsalt" not in local_stack.merged({"config": None}, {}, salt=None)


def test_images_and_chart_are_those_of_the_running_sandbox() -> None:
    parts = local_stack.injected(Settings(registry_port=5017))
    image, operator = parts["rayline:image"], parts["rayline:operator"]
    assert image["repository"] == "localhost:5017/rayline/service"
    assert image["base"].startswith("localhost:5017/rayline/ray-base:")
    assert operator["image"].startswith("localhost:5017/rayline/kuberay-operator:")
    assert operator["chart"] == str(chart.FOLDER)
    assert operator["crds"].startswith(operator["chart"])


def test_without_a_sandbox_the_message_explains_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "KUBECONFIG", tmp_path / "kubeconfig")
    with pytest.raises(UserError, match="not running") as refused:
        LocalStack(tmp_path / "pulumi").prepare(Settings())
    assert refused.value.hint == "Start it with: make sandbox"


def test_a_stack_file_that_is_not_yaml_is_refused_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "Pulumi.local.yaml"
    broken.write_text("config: [")
    monkeypatch.setattr(paths, "KUBECONFIG", broken)
    monkeypatch.setattr(local_stack, "COMMITTED", broken)
    with pytest.raises(UserError, match=r"Pulumi\.local\.yaml is not valid YAML"):
        LocalStack(tmp_path / "pulumi").prepare(Settings())


def test_pulumi_runs_with_the_state_and_the_stack_file_of_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "bin" / "pulumi"
    binary.parent.mkdir()
    binary.write_text('#!/bin/sh\necho "$@" "$PULUMI_BACKEND_URL"\n')
    binary.chmod(0o755)
    monkeypatch.setattr(paths, "BIN", binary.parent)
    stack = LocalStack(tmp_path)
    stack.write({"config": {"a": 1}})
    assert stack.read() == yaml.safe_load(stack.config_file.read_text()) == {"config": {"a": 1}}
    shown = stack.run("preview", "--diff", capture=True).stdout.split()
    file = str(tmp_path / "Pulumi.local.yaml")
    assert shown[:6] == ["preview", "--diff", "--stack", "local", "--config-file", file]
    assert shown[6] == f"file://{tmp_path}/state"
    assert "--config-file" not in stack.run("stack", "output", capture=True).stdout


@pytest.mark.parametrize(
    "command", [["set", "--path", "rayline:a.b", "1"], ["--path", "rm", "x"], ["set-all", "x"]]
)
def test_a_value_that_the_next_command_would_lose_is_refused(command: list[str]) -> None:
    with pytest.raises(UserError, match="no lasting effect") as refused:
        demo.pulumi(Settings(), ["config", *command])
    assert refused.value.hint == f"Edit {local_stack.COMMITTED} instead."
