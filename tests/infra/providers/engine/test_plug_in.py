"""How the engine finds, starts and configures the plug-in."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.providers.engine.programs import PLUGIN, ROOT, Program

pytestmark = [pytest.mark.cluster, pytest.mark.engine]

IMPORTS = "from infra.providers.random_secret import RandomSecret, RandomSecretArgs"


def test_refresh_and_destroy_need_no_program(tmp_path: Path) -> None:
    program = Program(tmp_path, tmp_path / "none")
    program.write(IMPORTS, "RandomSecret('key', RandomSecretArgs(kind='key'))")
    program.args()
    program.up()
    (tmp_path / "__main__.py").unlink()
    assert "2 unchanged" in program.refresh()
    assert "2 deleted" in program.destroy()


def test_an_output_is_unknown_in_a_preview_and_known_afterwards(tmp_path: Path) -> None:
    """The engine's own unknown values, in an input of the next resource and nested in one."""
    program = Program(tmp_path, tmp_path / "none")
    program.write(
        f"{IMPORTS}\n"
        "from infra.providers.rollout import PodRollout, PodRolloutArgs\n"
        "from infra.providers.applications import ServeApplications, ServeApplicationsArgs",
        "RandomSecret('key', RandomSecretArgs(kind='key', serial=args['serial']))\n"
        "place = dict(context='none', namespace='n', cluster='r', deadline_seconds=9)\n"
        "place |= dict(head_service='s', token_secret='t')\n"
        "pods = PodRollout('pods', PodRolloutArgs(**place, upgrade='recreate',\n"
        "    groups={'head': {'hash': made.value, 'replicas': 1}}))\n"
        "ServeApplications('serve', ServeApplicationsArgs(**place, wanted='',\n"
        "    config={'applications': [{'name': made.id}]},\n"
        "    pods=pods.incarnations, templates={'head': made.value}))",
    )
    program.args(serial=1)
    assert "4 to create" in program.run("preview")
    refused = program.up(fails=True)
    assert "context 'none' cannot be used" in refused
    assert "Traceback" not in refused
    assert "1 created" in refused.replace("2 created", "1 created")


def test_the_stacks_configuration_is_not_copied_to_the_provider(tmp_path: Path) -> None:
    """The engine passes all of it, because project and plug-in have the same name."""
    program = Program(tmp_path, tmp_path / "none", project="rayline")
    program.write(IMPORTS, "RandomSecret('key', RandomSecretArgs(kind='key'))")
    program.args()
    program.run("config", "set", "rayline:models", "[1]")
    program.run("config", "set", "--secret", "rayline:jwtKey", "canary")
    program.up()
    provider = next(
        resource
        for resource in program.deployment()["resources"]
        if resource["type"] == "pulumi:providers:rayline"
    )
    assert "inputs" not in provider
    assert "outputs" not in provider
    program.run("config", "set", "rayline:models", "[1, 2]")
    assert "2 unchanged" in program.up()


def test_a_checkout_with_a_space_that_is_not_installed_anywhere(tmp_path: Path) -> None:
    """Also with `-C`, and from a folder below."""
    checkout = tmp_path / "a check out"
    checkout.mkdir()
    shutil.copytree(ROOT / "infra", checkout / "infra")
    (checkout / ".venv").symlink_to(ROOT / ".venv")
    (checkout / "state").mkdir()
    program = Program(checkout, tmp_path / "none")
    shutil.rmtree(checkout / "state")
    program.write(IMPORTS, "RandomSecret('key', RandomSecretArgs(kind='key'))")
    file = checkout / "Pulumi.yaml"
    file.write_text(file.read_text().replace(str(PLUGIN), "infra/providers/plugin"))
    # Shows whose code runs: this checkout's, not the environment's.
    source = checkout / "infra/providers/random_secret.py"
    source.write_text(source.read_text().replace("secrets.token_hex(8)", "'of-the-copy'"))
    program.args()
    program.up()
    assert program.resource("RandomSecret")["id"] == "of-the-copy"
    (checkout / "below").mkdir()
    for place in (["-C", "a check out"], ["-C", "a check out/below"]):
        done = subprocess.run(
            ["pulumi", *place, "preview", "--non-interactive", "--stack", "lab"],
            cwd=tmp_path,
            env=program.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


PROXY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "variables",
    [
        {"http_proxy": PROXY, "https_proxy": PROXY, "grpc_proxy": PROXY, "no_proxy": ""},
        {"PYTHONHOME": "/nonexistent"},
        {"PYTHONPATH": "shadow", "PYTHONWARNINGS": "error"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_variables_for_other_programs_do_not_reach_the_plug_in(
    tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(tmp_path, tmp_path / "none")
    program.write(IMPORTS, "RandomSecret('key', RandomSecretArgs(kind='key'))")
    program.args()
    program.up()
    for name in ("grpc", "infra", "json", "server", "sitecustomize"):
        module = tmp_path / "shadow" / name / "__init__.py"
        module.parent.mkdir(parents=True)
        module.write_text("raise SystemExit('shadowed')")
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value) if value == "shadow" else value)
    assert "2 unchanged" in program.refresh()
    assert "2 deleted" in program.destroy()


def copied_plug_in(program: Program) -> None:
    """The plug-in in the program's folder, and without the `.venv` of the checkout."""
    shutil.copytree(ROOT / "infra", program.folder / "infra")
    program.write(IMPORTS, "RandomSecret('key', RandomSecretArgs(kind='key'))")
    file = program.folder / "Pulumi.yaml"
    file.write_text(file.read_text().replace(str(PLUGIN), "infra/providers/plugin"))
    program.args()


def test_a_missing_environment_is_named_with_what_to_type(tmp_path: Path) -> None:
    program = Program(tmp_path, tmp_path / "none")
    copied_plug_in(program)
    refused = program.up(fails=True)
    assert f"The Python environment {tmp_path}/.venv is missing. Type: make setup" in refused
    assert program.deployment().get("pending_operations") is None


def test_an_environment_without_packages_is_named_with_what_to_type(tmp_path: Path) -> None:
    """Pulumi makes such a `.venv` where a project has none."""
    program = Program(tmp_path, tmp_path / "none")
    copied_plug_in(program)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    refused = program.up(fails=True)
    assert f"The Python environment {tmp_path}/.venv is incomplete (No module" in refused
    assert "Type: make setup" in refused
    assert "Traceback" not in refused
