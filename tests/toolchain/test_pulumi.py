"""Pulumi and its plug-ins where Pulumi itself looks for them."""

import os
from pathlib import Path

import pytest

from toolchain import TOOLS, pulumi
from toolchain.paths import search_path


def tool(root: Path, name: str, *binaries: str) -> Path:
    folder = root / "tools" / name
    (folder / "bin").mkdir(parents=True)
    for binary in binaries:
        (folder / "bin" / binary).write_text(binary)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYLINE_CACHE", str(tmp_path / "the cache"))
    return tmp_path / "the cache"


def test_plugins_are_in_the_home_and_the_language_host_beside_pulumi(
    tmp_path: Path, cache: Path
) -> None:
    names = ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes", "etcd")
    tools = {name: tool(cache, name, name) for name in names}
    folder, home = tmp_path / "on path", tmp_path / "home"
    for _ in range(2):
        pulumi.link(tools, folder, home)
        assert sorted(path.name for path in folder.iterdir()) == [
            "etcd",
            "pulumi",
            "pulumi-language-python",
        ]
        # Pulumi resolves links before it compares folders.
        assert (folder / "pulumi").resolve().parent == folder.resolve()
        assert (folder / "pulumi-language-python").resolve().parent == folder.resolve()
        assert (folder / "etcd").is_symlink()
        version = TOOLS["pulumi-resource-kubernetes"].version
        plugin = home / "plugins" / f"resource-kubernetes-v{version}" / "pulumi-resource-kubernetes"
        assert plugin.read_text() == "pulumi-resource-kubernetes"
        assert [path.name for path in plugin.parent.iterdir()] == [plugin.name]


def test_a_pulumi_of_the_users_path_stays_where_it_is(tmp_path: Path, cache: Path) -> None:
    users = tmp_path / "usr" / "pulumi"
    users.parent.mkdir()
    users.write_text("theirs")
    linked = cache / "tools" / "pulumi"
    (linked / "bin").mkdir(parents=True)
    (linked / "bin" / "pulumi").symlink_to(users)
    pulumi.link({"pulumi": linked}, tmp_path / "on path", tmp_path / "home")
    assert (tmp_path / "on path" / "pulumi").resolve() == users


def test_the_home_keeps_what_else_is_in_it(tmp_path: Path, cache: Path) -> None:
    other = tmp_path / "home" / "plugins" / "resource-docker-v5.2.0"
    other.mkdir(parents=True)
    plugin = tool(cache, "pulumi-resource-docker-build", "pulumi-resource-docker-build")
    pulumi.link({plugin.name: plugin}, tmp_path / "on path", tmp_path / "home")
    assert other.exists()


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HOME": "/home/ada"}, "/home/ada/.pulumi"),
        ({"HOME": "/home/ada", "PULUMI_HOME": "/opt/pulumi"}, "/opt/pulumi"),
        ({"HOME": "/home/ada", "PULUMI_CREDENTIALS_PATH": "/keys"}, "/keys"),
    ],
)
def test_the_login_stays_the_users(environ: dict[str, str], folder: str) -> None:
    made = pulumi.environment(environ)
    assert made["PULUMI_CREDENTIALS_PATH"] == folder
    # A second time, in the shell that has the variables.
    assert pulumi.environment({**environ, **made}) == made


def test_the_checkouts_folders_come_first_and_once(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    path = search_path({"PATH": f"/usr/bin:{two}:/bin"}, one, two)
    assert path == f"{one}:{two}:/usr/bin:/bin"
    assert search_path({"PATH": path}, one, two) == path
    assert search_path({}, one) == f"{one}:{os.defpath}"
