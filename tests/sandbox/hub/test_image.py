"""The hub's image: its build context, its content, and when its tag changes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.hub import image
from toolchain.paths import CHECKOUT


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    image.fill(folder)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the checkout that a test may change."""
    for name in ("app", "requirements", "sandbox"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=ignored)
    monkeypatch.setattr(image, "CHECKOUT", tmp_path)
    monkeypatch.setattr(image, "HERE", tmp_path / "sandbox" / "hub")
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def python(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python without this checkout, in `folder`, as the build and the image run it."""
    return subprocess.run(
        [sys.executable, "-B", "-S", *arguments],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


def stages() -> list[str]:
    """Our Dockerfile cut at its one FROM: the stage that trains, and the image."""
    return re.split(r"^FROM .*$", (image.HERE / "Dockerfile").read_text(), flags=re.MULTILINE)


def copied(stage: str) -> list[tuple[str, str]]:
    """(source, target) of what a stage copies from the build's context."""
    return re.findall(r"^COPY (?!--from)(\S+) (\S+)$", stage, re.MULTILINE)


def test_the_service_image_comes_first_and_unchanged() -> None:
    """Otherwise BuildKit would not find its packages in the cache."""
    service = (CHECKOUT / "app" / "Dockerfile").read_text()
    ours = (image.HERE / "Dockerfile").read_text()
    joined = image.dockerfile(service, ours)
    assert joined.startswith(service)
    lines = [line for line in joined.splitlines() if line.startswith("FROM ")]
    last_of_service = len([line for line in service.splitlines() if line.startswith("FROM ")]) - 1
    assert f"COPY --from={last_of_service} /srv/model" in joined
    assert lines[-1] == "FROM ${BASE}"
    assert image.dockerfile("FROM a\nFROM b\n", "COPY --from=@SERVICE@ x y").endswith(
        "--from=1 x y"
    )


def test_the_stage_that_trains_gets_the_model_and_the_image_gets_the_server() -> None:
    training, final = stages()
    assert copied(training) == [("model", "/tmp/source")]
    assert copied(final) == [("server", "/srv/hub")]
    assert re.findall(r"^COPY --from=\S+ (\S+)", final, re.MULTILINE) == ["/srv/model"]


def test_the_context_holds_nothing_else_of_the_sandbox(context: Path) -> None:
    packages = {"sandbox/__init__.py", "sandbox/hub/__init__.py"}
    assert names(context / "server") == packages | {
        "sandbox/hub/repositories.py",
        "sandbox/hub/server.py",
    }
    model = {
        f"sandbox/hub/tiny_model/{name}"
        for name in (
            "__init__.py",
            "__main__.py",
            "cache.py",
            "chat_template.jinja",
            "page.md",
            "train.py",
        )
    }
    assert names(context / "model") == packages | model
    assert {path.name for path in context.iterdir()} == {
        "Dockerfile",
        "app",
        "model",
        "requirements",
        "server",
    }
    assert not [name for name in names(context) if "__pycache__" in name]


def test_the_server_runs_from_the_image_with_the_standard_library_alone(context: Path) -> None:
    done = python(context / "server", "-m", "sandbox.hub.server", "--help")
    assert done.returncode == 0, done.stderr
    assert "FOLDER" in done.stdout.upper()


def test_the_model_is_trained_from_its_own_files_and_the_packages_alone(context: Path) -> None:
    usage = python(context / "model", "-m", "sandbox.hub.tiny_model")
    assert usage.returncode == 1
    assert usage.stderr.startswith("usage: python -m sandbox.hub.tiny_model FOLDER")
    script = (
        "from sandbox.hub.tiny_model import cache, train;"
        "print(cache.fingerprint(), len(train.pairs()), (train.HERE / 'page.md').is_file())"
    )
    done = python(context / "model", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == ["14", "True"]


def test_the_tag_changes_with_the_base() -> None:
    one, two = (image.reference("localhost:5000", base) for base in ("base:1", "base:2"))
    assert one.startswith("localhost:5000/rayline/hub:")
    assert one != two


def test_the_tag_changes_with_every_file_that_decides_the_content(
    checkout: Path, context: Path
) -> None:
    deciding = names(context / "model") | names(context / "server")
    deciding |= {"sandbox/hub/Dockerfile", "requirements/app-cpu.txt"}
    tags = {image.reference("localhost:5000", "base:1")}
    for name in sorted(deciding):
        before = len(tags)
        with (checkout / name).open("a") as file:
            file.write("# changed\n")
        tags.add(image.reference("localhost:5000", "base:1"))
        assert len(tags) == before + 1, name


def test_the_tag_stays_when_any_other_file_changes(checkout: Path, context: Path) -> None:
    deciding = names(context / "model") | names(context / "server")
    deciding |= {"sandbox/hub/Dockerfile", "requirements/app-cpu.txt"}
    before = image.reference("localhost:5000", "base:1")
    for name in names(checkout) - deciding:
        with (checkout / name).open("a") as file:
            file.write("# changed\n")
    compiled = checkout / "sandbox" / "hub" / "tiny_model" / "__pycache__" / "train.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"compiled")
    assert image.reference("localhost:5000", "base:1") == before
