"""The bounds of the stores that outlive a cluster."""

from pathlib import Path

from sandbox.images import stores
from sandbox.node import layout


def test_every_store_has_a_bound() -> None:
    assert set(stores.BOUNDS) == set(layout.STORES)


def test_a_store_over_its_bound_is_emptied_with_a_note(tmp_path: Path) -> None:
    for name in ("registry", "buildkit"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "blob").write_bytes(b"x" * 4096)
    notes: list[str] = []
    stores.enforce(tmp_path, notes.append, {"registry": 0, "buildkit": 1, "missing": 0})
    assert not (tmp_path / "registry").exists()
    assert (tmp_path / "buildkit" / "blob").exists()
    assert len(notes) == 1
    assert "registry" in notes[0]


def test_a_hard_link_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 8192)
    alone = stores.size(tmp_path)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert stores.size(tmp_path) == alone


def test_purge_removes_the_stores_and_nothing_else(tmp_path: Path) -> None:
    for name in (*stores.BOUNDS, "tools"):
        (tmp_path / name).mkdir()
    stores.purge(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["tools"]
