"""What is read from lock files."""

from pathlib import Path

import pytest

from supply.locked import LockError, Package, go_module, go_modules, python_set, python_sets

HASH = "a" * 64


def test_every_lock_file_of_the_checkout_is_read() -> None:
    sets = python_sets()
    assert {"infra", "app-gpu", "app-cpu", "dev", "docs"} <= sets.keys()
    assert all(package.hashes for packages in sets.values() for package in packages)
    modules = go_modules()
    assert {"kubernetes", "coredns", "kuberay", "pulumi-plugins/sources"} <= modules.keys()
    assert all(p.go_sum.startswith("h1:") for p in modules["coredns"].packages)


def test_markers_continuations_and_local_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(
        "# a comment\n"
        f"Foo_Bar==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:{HASH} \\\n"
        f"    --hash=sha256:{'b' * 64}\n"
        f"foo-bar==2.0+cpu ; sys_platform != 'linux' \\\n    --hash=sha256:{HASH}\n"
    )
    assert python_set(path) == (
        Package("PyPI", "foo-bar", "1.0"),
        Package("PyPI", "foo-bar", "2.0+cpu"),
    )
    assert python_set(path)[0].hashes == (HASH, "b" * 64)


@pytest.mark.parametrize(
    "line", ["foo", "foo>=1 --hash=sha256:aa", "foo==1", "-r other.txt", "foo== --hash=sha256:aa"]
)
def test_a_line_that_pins_nothing_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(f"{line}\n")
    with pytest.raises(LockError, match="Type: make lock"):
        python_set(path)


def test_replacements_are_followed(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(
        "module m\n\ngo 1.26.0\n\nrequire one.example/a v1.0.0 // indirect\n\n"
        "require (\n\ttwo.example/b v1.2.3\n\tthree.example/c v0.1.0 // indirect\n)\n\n"
        "replace one.example/a v1.0.0 => other.example/a v1.5.0\n"
        "replace (\n\tthree.example/c => ./ours\n)\n\ntool two.example/b/cmd\n"
    )
    (tmp_path / "go.sum").write_text(
        "other.example/a v1.5.0 h1:abc=\nother.example/a v1.5.0/go.mod h1:def=\n"
    )
    found = go_module(tmp_path, "x")
    assert found.packages == (
        Package("Go", "other.example/a", "v1.5.0"),
        Package("Go", "two.example/b", "v1.2.3"),
    )
    assert [each.go_sum for each in found.packages] == ["h1:abc=", ""]
    assert found.folders == ("three.example/c",)


def test_a_broken_go_mod_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n\nrequire one.example/a\n")
    (tmp_path / "go.sum").write_text("")
    with pytest.raises(LockError, match="line 3"):
        go_module(tmp_path, "x")
