"""Go's caches are removed once no build needs them, and not before."""

from pathlib import Path

from toolchain import gocache


def test_nothing_to_drop(tmp_path: Path) -> None:
    assert not gocache.drop(tmp_path)


def test_dropped_with_read_only_files_in_it(tmp_path: Path) -> None:
    module = gocache.folder(tmp_path) / "mod" / "example.org"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module m\n")
    (module / "go.mod").chmod(0o444)
    assert gocache.drop(tmp_path)
    assert not gocache.folder(tmp_path).exists()


def test_kept_while_somebody_builds(tmp_path: Path) -> None:
    (gocache.folder(tmp_path) / "build").mkdir(parents=True)
    with gocache.in_use(tmp_path):
        assert not gocache.drop(tmp_path)
        with gocache.in_use(tmp_path):  # two may build at once
            pass
    assert gocache.drop(tmp_path)
