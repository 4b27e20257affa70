"""References of the sandbox's own images: each tag names the image's content."""

from dataclasses import astuple
from pathlib import Path

import pytest

from sandbox.images import base, system
from sandbox.images.references import references
from sandbox.settings import Settings


def test_every_reference_is_in_the_registry_of_the_settings_and_has_a_tag() -> None:
    for reference in astuple(references(Settings(registry_port=5017))):
        name, _, tag = reference.rpartition(":")
        assert name.startswith("localhost:5017/rayline/")
        assert len(tag) >= 12


def test_a_binary_image_is_named_after_its_binary_and_the_tools_key() -> None:
    assert system.PAUSE.reference("localhost:5000", "abc") == "localhost:5000/rayline/pause:abc"


def test_the_tag_of_the_base_image_changes_with_its_content(
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
