"""The catalogue and the Go modules that it names must agree."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from toolchain import TOOLS as BY_NAME
from toolchain import Tool, catalogue
from toolchain.build import build_arguments
from toolchain.errors import UserError
from toolchain.model import SOURCES, Binary, ModuleFiles, Overlay, host_arch

TOOLS = tuple(BY_NAME.values())
SOURCES_OF_REPLACED = {"kube-network-policies/sources", "pulumi-plugins/sources"}
FOLDERS = sorted({tool.folder for tool in TOOLS} | SOURCES_OF_REPLACED)

# Lines that go.mod must contain for the versions of the catalogue.
PINS = [
    ("kubernetes", f"k8s.io/kubernetes v{catalogue.KUBERNETES}"),
    ("kubernetes", f"go.etcd.io/etcd/server/v3 v{catalogue.ETCD}"),
    ("coredns", f"github.com/coredns/coredns v{catalogue.COREDNS}"),
    ("pulumi", f"github.com/pulumi/pulumi/pkg/v3 v{catalogue.PULUMI}"),
    ("pulumi", f"github.com/pulumi/pulumi/sdk/v3 v{catalogue.PULUMI}"),
    (
        "pulumi-language-python",
        f"github.com/pulumi/pulumi/sdk/v3 v{catalogue.PULUMI_LANGUAGE_PYTHON}",
    ),
    (
        "pulumi-plugins/sources",
        f"github.com/pulumi/pulumi-kubernetes/sdk/v4 v{catalogue.PULUMI_KUBERNETES}",
    ),
    (
        "pulumi-plugins",
        f"github.com/pulumi/pulumi-docker-build v{catalogue.PULUMI_DOCKER_BUILD}",
    ),
    ("pulumi-plugins", f"github.com/moby/buildkit v{catalogue.BUILDKIT}"),
    (
        "kube-network-policies",
        f"sigs.k8s.io/kube-network-policies v{catalogue.KUBE_NETWORK_POLICIES}",
    ),
    ("kube-score", f"github.com/zegl/kube-score v{catalogue.KUBE_SCORE}"),
    ("kuberay", f"github.com/ray-project/kuberay/ray-operator v{catalogue.KUBERAY}"),
]


@pytest.mark.parametrize(("folder", "line"), PINS, ids=[line for _, line in PINS])
def test_go_mod_pins_the_catalogues_version(folder: str, line: str) -> None:
    text = (SOURCES / folder / "go.mod").read_text()
    assert re.search(rf"^(require|\s)\s*{re.escape(line)}$", text, re.MULTILINE)


def test_the_provider_reports_the_catalogues_version() -> None:
    main = (SOURCES / "pulumi-plugins" / "kubernetes" / "main.go").read_text()
    assert f'"{catalogue.PULUMI_KUBERNETES}"' in main


def test_pulumis_versions_are_those_of_the_python_packages() -> None:
    project = (SOURCES.parent.parent / "pyproject.toml").read_text()
    for package, version in (
        ("pulumi", catalogue.PULUMI),
        ("pulumi-kubernetes", catalogue.PULUMI_KUBERNETES),
        ("pulumi-docker-build", catalogue.PULUMI_DOCKER_BUILD),
    ):
        assert f'"{package}=={version}"' in project


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_is_a_module_with_sums(folder: str) -> None:
    assert (SOURCES / folder / "go.mod").is_file()
    assert " h1:" in (SOURCES / folder / "go.sum").read_text()


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_machine_and_no_registry_in_the_sources(folder: str) -> None:
    for path in (SOURCES / folder).rglob("*"):
        text = path.read_text() if path.is_file() else ""
        assert not re.search(r"proxy\.golang|goproxy|sum\.golang|pypi\.org|/root/|/home/", text), (
            path
        )


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_packages_are_in_go_mod(tool: Tool) -> None:
    """As `tool` directives, so that `go mod tidy` keeps what they need; or as folders, of which `.`
    is one."""
    text = (SOURCES / tool.folder / "go.mod").read_text()
    for binary in tool.compiled:
        if binary.package.startswith("."):
            assert (SOURCES / tool.folder / binary.package / "main.go").is_file()
        else:
            assert re.search(rf"^(tool|\s)\s*{re.escape(binary.package)}$", text, re.MULTILINE)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_several_binaries_are_named_as_go_names_them(tool: Tool) -> None:
    if len(tool.compiled) > 1:
        assert all(b.name == b.package.rpartition("/")[2] for b in tool.compiled)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_modules_that_files_are_taken_from_are_required(tool: Tool) -> None:
    for step in (*tool.sources, *tool.extras):
        if isinstance(step, ModuleFiles):
            assert f"{step.module} v" in (SOURCES / step.pinned_in / "go.mod").read_text()
        if isinstance(step, Overlay):
            assert (SOURCES / tool.folder / step.source).is_file()


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_downloads_and_probes_cover_the_binaries(tool: Tool) -> None:
    if tool.downloads:
        downloaded = [name for download in tool.downloads for name in download.binaries]
        assert sorted(downloaded) == sorted(tool.binaries)
        assert tool.probes
        assert all(d.url.startswith("https://") for d in tool.downloads)
        assert all(d.checksum_url.startswith("https://") for d in tool.downloads)


def test_names_are_unique() -> None:
    binaries = [name for tool in TOOLS for name in tool.binaries]
    assert all(name == tool.name for name, tool in BY_NAME.items())
    assert len(set(binaries)) == len(binaries)


def test_which_tools_may_come_from_path() -> None:
    found = {tool.name for tool in TOOLS if tool.can_be_on_path}
    assert found == {
        "buildkit",
        "coredns",
        "etcd",
        "kube-score",
        "kubernetes",
        "pulumi",
        "pulumi-language-python",
    }


def test_build_arguments_name_a_single_binary_and_a_folder_for_several() -> None:
    etcd, node = BY_NAME["etcd"], BY_NAME["kubernetes"]
    assert build_arguments(etcd, Path("/a b"))[-3:] == ["-o", "/a b/etcd", etcd.compiled[0].package]
    assert "/a b/" in build_arguments(node, Path("/a b"))
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.3" in node.ldflags


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "go.mod").write_text("module m\n")
        (tmp_path / folder / "go.sum").write_text("sum\n")
    return tmp_path


def test_the_key_follows_what_determines_the_binary(sources: Path) -> None:
    tool = Tool("t", "1", "one", (Binary("t", "example.org/t"),))
    key = tool.key(sources, "amd64")

    os.utime(sources / "one" / "go.mod", (1, 1))
    (sources / "one" / ".hidden").write_text("an editor's")
    (sources / "two" / "go.sum").write_text("not this tool's\n")
    assert tool.key(sources, "amd64") == key

    extra = ModuleFiles("two", "example.org/m", "a", "bin")
    others = [
        tool.key(sources, "arm64"),
        replace(tool, stamps=(("a.b", "c"),)).key(sources, "amd64"),
        replace(tool, compiled=(Binary("t", "example.org/u"),)).key(sources, "amd64"),
        replace(tool, sources=(Overlay("go.mod", "x"),)).key(sources, "amd64"),
        replace(tool, extras=(extra,)).key(sources, "amd64"),
    ]
    (sources / "two" / "go.sum").write_text("another\n")
    others.append(replace(tool, extras=(extra,)).key(sources, "amd64"))
    (sources / "one" / "go.sum").write_text("another\n")
    others.append(tool.key(sources, "amd64"))
    assert len({key, *others}) == 1 + len(others)


def test_only_linux_on_two_architectures() -> None:
    assert host_arch("Linux", "x86_64") == "amd64"
    assert host_arch("Linux", "aarch64") == "arm64"
    with pytest.raises(UserError, match="Darwin on arm64"):
        host_arch("Darwin", "arm64")
    with pytest.raises(UserError, match="riscv64"):
        host_arch("Linux", "riscv64")
