"""`rayline facts`: what it writes, where, and what it leaves alone."""

from pathlib import Path

import pytest
import yaml

from cli import check, facts
from sandbox.hub.repositories import COMMIT
from tests.cli.facts import GIB, STACK, Serve, entry, write
from tests.stacks import values


def test_both_values_are_written_and_nothing_else_changes(
    serve: Serve, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = serve(model_safetensors=b"w" * (GIB // 64))
    path = write(project)
    before = path.read_text()
    assert facts.main(["one"]) == 0
    assert path.read_text() == before.replace(
        "maxModelLen: 4096\n",
        "maxModelLen: 4096\n      weightsGib: 0.02\n      kvKibPerToken: 160\n",
    )
    assert (
        f"Pulumi.dev.yaml, models[0] (one): weightsGib 0.02, kvKibPerToken 160 (from {hub.url})"
        in (capsys.readouterr().out)
    )
    assert not [request for request in hub.requests if "model.safetensors" in request]


def test_with_the_values_the_check_needs_neither_cache_nor_hub(
    serve: Serve, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(index={"metadata": {"total_size": 30 * GIB}})
    changes = {
        f"models__0__{key}": value
        for key, value in {"source": "rayline/tiny", "revision": COMMIT}.items()
    }
    whole = values(**changes, models__0__weightsGib=None, models__0__kvKibPerToken=None)
    path = project / "Pulumi.dev.yaml"
    path.write_text(yaml.safe_dump({"config": {f"rayline:{k}": v for k, v in whole.items()}}))
    assert check.main([]) == 0
    assert "rayline facts one" in capsys.readouterr().out
    assert facts.main(["rayline/tiny", "-s", "dev"]) == 0
    assert check.main([]) == 1
    assert "30.0 GiB of weights" in capsys.readouterr().out


def test_values_that_are_there_are_replaced_in_their_place(serve: Serve, project: Path) -> None:
    serve(model_safetensors=b"w" * 1000)
    text = STACK.replace("maxModelLen: 4096", "weightsGib: 13.3 # once\n      maxModelLen: 4096")
    path = write(project, text)
    assert facts.main(["one", "-s", str(path)]) == 0
    assert "      weightsGib: 0.01 # once\n" in path.read_text()
    assert entry(path)["kvKibPerToken"] == 160


@pytest.mark.parametrize(
    "text",
    [
        'config: {"rayline:models": [{name: one, source: rayline/tiny, revision: "%s", '
        "gpuGroup: a}]}",
        "config:\n  models:\n  - name: one\n    source: rayline/tiny\n    gpuGroup: a\n"
        '    revision: "%s"',
        "config:\r\n  rayline:models:\r\n  - name: one\r\n    gpuGroup: a\r\n"
        '    source: rayline/tiny\r\n    revision: "%s"\r\n',
        "\ufeffconfig:\n  rayline:models:\n  - {name: one, gpuGroup: a, source: rayline/tiny,\n"
        '    revision: "%s",} # all\n',
    ],
    ids=["flow", "no newline at the end", "CRLF", "byte order mark"],
)
def test_every_way_to_write_a_model_is_edited(serve: Serve, project: Path, text: str) -> None:
    serve(model_safetensors=b"w")
    path = project / "Pulumi.dev.yaml"
    path.write_bytes((text % COMMIT).encode())
    assert facts.main(["one"]) == 0
    config = yaml.safe_load(path.read_bytes())["config"]
    (model,) = config.get("rayline:models") or config["models"]
    assert (model["weightsGib"], model["kvKibPerToken"]) == (0.01, 160)


def test_what_cannot_be_edited_stays_and_the_commands_are_printed(
    serve: Serve, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second model inherits from the first, so an edit of the first would change both."""
    serve(model_safetensors=b"w")
    text = (
        "config:\n  rayline:models:\n    - &a {name: one, source: rayline/tiny, gpuGroup: a, "
        'revision: "%s"}\n    - {<<: *a, name: two, source: rayline/other}\n'
    )
    path = write(project, text)
    before = path.read_bytes()
    assert facts.main(["one"]) == 1
    assert path.read_bytes() == before
    shown = capsys.readouterr().err
    assert "Type: pulumi config set --path 'rayline:models[0].weightsGib' 0.01, then: " in shown
    assert "pulumi config set --path 'rayline:models[0].kvKibPerToken' 160" in shown
    assert list(project.glob(".*")) == []


def test_a_dry_run_only_prints(
    serve: Serve, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(model_safetensors=b"w")
    path = write(project)
    before = path.read_bytes()
    assert facts.main(["one", "--dry-run"]) == 0
    assert path.read_bytes() == before
    assert capsys.readouterr().out.splitlines() == [
        "pulumi config set --path 'rayline:models[0].weightsGib' 0.01",
        "pulumi config set --path 'rayline:models[0].kvKibPerToken' 160",
    ]


def test_a_model_that_no_stack_has_is_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project)
    assert facts.main(["two"]) == 2
    assert "no model 'two' in Pulumi.dev.yaml; models: one. Type: rayline facts one" in (
        capsys.readouterr().err
    )
    assert facts.main(["one", "-s", "prod"]) == 2
    assert "'prod' is no stack of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STACK.replace("revision:", "# revision:"), "it has no revision"),
        (STACK.replace("rayline/tiny", "/data/model-cache/a"), "a folder of the cluster's claim"),
        (STACK.replace("gpuGroup: big", "gpuGroup: []"), "Type: rayline check -s"),
        ("config: [", "Pulumi.dev.yaml: "),
        ("config: {rayline:models: text}", "models: none"),
    ],
)
def test_a_stack_without_what_is_needed(
    project: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, text)
    assert facts.main(["one"]) in (1, 2)
    assert message in capsys.readouterr().err
