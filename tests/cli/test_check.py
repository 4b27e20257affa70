"""`rayline check`: a stack file against all rules, without Pulumi, a cluster or a secret."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import check, stack_file
from tests.stacks import values

ROOT = Path(__file__).parents[2]
SECURE = {"secure": "v1:abc:def"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my stacks"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    return folder


def write(folder: Path, name: str, more: dict[str, Any] | None = None, **changes: Any) -> Path:
    config = {f"rayline:{key}": value for key, value in values(**changes).items()}
    path = folder / f"Pulumi.{name}.yaml"
    path.write_text(yaml.safe_dump({"config": {**config, **(more or {})}}))
    return path


def test_the_committed_stacks_have_no_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "docs")
    assert check.main([]) == 0


def test_every_stack_is_checked_and_every_problem_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "good")
    write(project, "bad", models__0__dtype="fp16", serve__port=80)
    assert check.main([]) == 1
    out = capsys.readouterr().out
    assert "Pulumi.good.yaml: no problems" in out
    assert "Pulumi.bad.yaml: 2 problems" in out
    for part in ("error: rayline:models[0].dtype is 'fp16'", "it must be one of auto", "Type: "):
        assert part in out


def test_a_broken_rule_is_an_error_and_json_has_the_same(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "bad", models__0__gpuGroup="bgi")
    write(project, "other")
    assert check.main(["--stack", "org/rayline/bad", "--json"]) == 1
    (stack,) = json.loads(capsys.readouterr().out)["stacks"]
    assert stack["file"].endswith("Pulumi.bad.yaml")
    assert [each["severity"] for each in stack["problems"]] == ["error"]
    assert stack["problems"][0]["key"] == "rayline:models[0].gpuGroup"
    assert "big" in stack["problems"][0]["message"]


def test_a_path_with_spaces_is_a_stack_too(project: Path) -> None:
    path = write(project, "dev").rename(project.parent / "one of mine.yaml")
    assert check.main(["-s", str(path)]) == 0


def test_encrypted_values_count_as_set(project: Path) -> None:
    more = {
        "rayline:jwtKey": SECURE,
        "rayline:userHashes": {"alice": SECURE, "bob": SECURE},
        "rayline:registryUsername": "robot",
        "rayline:registryPassword": SECURE,
        "kubernetes:context": "another program's key",
    }
    write(project, "dev", more)
    assert check.main([]) == 0


def test_a_secret_in_plain_text_is_an_error_and_never_repeated(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "dev", {"rayline:jwtKey": "k3y" * 20})
    assert check.main([]) == 1
    out = capsys.readouterr().out
    assert "rayline:jwtKey is a secret" in out
    assert "k3y" not in out


def test_the_secrets_rules_are_those_of_the_program(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {
        "rayline:registryPassword": SECURE,
        "rayline:userHashes": {"mallory": SECURE},
        "rayline:storage": "200Gi",
    }
    write(project, "dev", more)
    assert check.main([]) == 1
    out = capsys.readouterr().out
    assert "rayline:registryPassword is set without rayline:registryUsername" in out
    assert "rayline:userHashes.mallory belongs to no user" in out
    assert "rayline:storage is '200Gi'; it must be an object" in out


def test_an_encrypted_value_in_a_plain_key_is_an_error(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "dev", models__0__source=SECURE)
    assert check.main([]) == 1
    assert "an encrypted value" in capsys.readouterr().out


def bomb(merged: str = "") -> str:
    """Twelve lists of nine aliases each: 9 to the power of 12 values."""
    lines = ["config:", "  a0: &a0 {x: y}"]
    for number in range(1, 13):
        inner = ", ".join([f"*a{number - 1}"] * 9)
        lines.append(
            f"  a{number}: &a{number} " + (f"{{<<: [{inner}]}}" if merged else f"[{inner}]")
        )
    return "\n".join(lines)


@pytest.mark.parametrize("merged", ["", "merged"])
def test_aliases_that_expand_to_very_much_are_refused_at_once(
    project: Path, merged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pulumi: "document contains excessive aliasing"."""
    (project / "Pulumi.dev.yaml").write_text(bomb(merged))
    began = time.monotonic()
    assert check.main([]) == 1
    assert time.monotonic() - began < 5
    assert "more than 200000 values" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        *("config: [", "config: {a: b", "- a", "config: text", "5", "\x00", "a: b\n---\nc: d"),
        *("config: {hub: &a [*a]}", f"config: {{hub: {'[' * 500}{']' * 500}}}"),
        *(f"config: {{hub: !!{tag} x}}" for tag in ("int", "float", "bool", "timestamp", "binary")),
        *("config: {hub: !!set {a, b}}", "config: {hub: !!python/name:os.system x}"),
        *("config: {hub: .inf}", "config: {hub: 2024-01-01}", "config: {<<: 5}", bomb()),
        *(
            "config: {[a]: b}",
            "config: {hub: {endpoint: a,\n endpoint: b}}",
            "config: {a: b}\na: \xff",
        ),
    ],
    ids=lambda text: text[:30],
)
def test_text_that_is_not_a_stack_file_is_an_error(
    project: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "Pulumi.dev.yaml").write_bytes(text.encode("latin-1"))
    assert check.main(["--json"]) == 1
    (stack,) = json.loads(capsys.readouterr().out)["stacks"]
    assert [each["key"] for each in stack["problems"]] == ["Pulumi.dev.yaml"]


def test_a_repeated_key_is_refused_as_pulumi_refuses_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(project, "dev")
    path.write_text(f"{path.read_text()}  rayline:cluster: {{context: other}}\n")
    assert check.main([]) == 1
    assert "the key 'rayline:cluster' is already in line " in capsys.readouterr().out


def test_a_merge_key_is_no_repeated_key(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(
        "config:\n  b: &b {k: 0, l: 1}\n"
        "  x: {y: &a {<<: *b,\n    k: 1}}\n  c: {<<: *a,\n    l: 2}\n"
    )
    found = stack_file.configuration(stack_file.load(path), {})
    assert json.loads(found.texts["c"]) == {"k": 1, "l": 2}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_text_that_begins_with_a_byte_order_mark_is_read(project: Path, encoding: str) -> None:
    path = write(project, "dev")
    path.write_text(path.read_text(), encoding=encoding)
    assert check.main([]) == 0


@pytest.mark.parametrize("kind", ["folder", "nowhere", "itself"])
def test_a_file_that_cannot_be_read_does_not_hide_the_others(
    project: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / "Pulumi.dev.yaml"
    path.mkdir() if kind == "folder" else path.symlink_to(path if kind == "itself" else "nowhere")
    write(project, "good")
    assert check.main([]) == 1
    out = capsys.readouterr().out
    assert "error: Pulumi.dev.yaml cannot be read: " in out
    assert "Pulumi.good.yaml: no problems" in out


@pytest.mark.parametrize("text", ["config: [", "config: [a]", "config: 5", "- a"])
def test_a_mistake_in_the_project_file_names_that_file(
    project: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "dev")
    (project / "Pulumi.yaml").write_text(text)
    assert check.main([]) == 1
    assert "Pulumi.yaml" in capsys.readouterr().out.replace("Pulumi.dev.yaml", "")


def test_a_wrong_variable_of_the_sandbox_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYLINE_REGISTRY_PORT", "abc")
    assert check.main(["-s", str(ROOT / "Pulumi.local.yaml"), "--json"]) == 2
    shown = capsys.readouterr()
    assert "RAYLINE_REGISTRY_PORT='abc' is not allowed" in shown.err
    assert json.loads(shown.out)["error"] in shown.err


def test_an_unknown_stack_cannot_be_checked(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "dev")
    assert check.main(["-s", "prod", "--json"]) == 2
    out, err = capsys.readouterr()
    assert "stacks: dev." in err
    assert json.loads(out) == {"error": err.strip().removeprefix("error: "), "stacks": []}
    typed = re.search(r"Type: rayline check (.*)", err)
    assert typed
    assert check.main(typed[1].split()) == 0


def test_a_project_without_stacks_cannot_be_checked(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check.main([]) == 2
    assert "Type: pulumi stack init dev" in capsys.readouterr().err


def test_no_pulumi_is_imported(project: Path) -> None:
    write(project, "dev")
    program = (
        "import sys; from cli import check; assert check.main([]) == 0\n"
        "assert not [name for name in sys.modules if name.startswith('pulumi')]\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env={"PYTHONPATH": str(ROOT), "HF_HOME": str(project)},
        check=True,
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("true", "true"),
        ("12:30", "12:30"),
        ("12", "12"),
        ("08", "8"),
        ("010", "8"),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("1.5", "1.5"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("1e999", "1e999"),
        ("9" * 20, "1" + "0" * 20),
        ("9" * 5000, "9" * 5000),
        ('\'{"size": "1Gi"}\'', '{"size": "1Gi"}'),
        ("{size: 1Gi}", '{"size": "1Gi"}'),
        ("null", "null"),
    ],
)
def test_values_are_read_as_pulumi_reads_them(tmp_path: Path, text: str, value: str) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(f"config:\n  rayline:a: {text}\n  b: {text}\n")
    found = stack_file.configuration(stack_file.load(path), {})
    assert found.texts == {"a": value, "b": value}


def test_advice_for_the_stack_local_is_to_edit_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file is written anew by each command, so `pulumi config set` is lost."""
    monkeypatch.setattr(check, "CHECKOUT", tmp_path)
    path = write(tmp_path, "local", ray__metricsPort=6379)
    assert check.main(["-s", str(path)]) == 1
    out = capsys.readouterr().out
    assert "In Pulumi.local.yaml: set rayline:ray.metricsPort to 8080" in out
    assert "pulumi config" not in out
