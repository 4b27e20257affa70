"""The small parts: links, the console's lines, and the environment of the go command."""

import io
import time
from pathlib import Path

import pytest

from toolchain import ConsoleReporter, link_farm
from toolchain.golang import go_environment, memory_limit, parse_version, required_version


def tool_folder(root: Path, *binaries: str) -> Path:
    (root / "bin").mkdir(parents=True)
    for name in binaries:
        (root / "bin" / name).write_text(name)
    return root


def test_link_farm_is_rebuilt(tmp_path: Path) -> None:
    tools = {"a": tool_folder(tmp_path / "a b", "x", "y"), "c": tool_folder(tmp_path / "c", "z")}
    farm = tmp_path / "farm of links" / "bin"
    link_farm(tools, farm)
    assert {path.name: path.read_text() for path in farm.iterdir()} == {
        "x": "x",
        "y": "y",
        "z": "z",
    }
    link_farm({"c": tools["c"]}, farm)
    assert [path.name for path in farm.iterdir()] == ["z"]
    assert [path.name for path in farm.parent.iterdir()] == ["bin"]


def test_link_farm_refuses_two_binaries_of_one_name(tmp_path: Path) -> None:
    tools = {name: tool_folder(tmp_path / name, "x") for name in ("a", "b")}
    with pytest.raises(ValueError, match="both provide x"):
        link_farm(tools, tmp_path / "farm")
    assert not (tmp_path / "farm").exists()


def test_console_prints_plain_lines_without_a_terminal() -> None:
    stream = io.StringIO()
    report = ConsoleReporter(stream)
    report.begin("etcd 3.6.5", "building from source")
    report.note("a word")
    report.end("etcd 3.6.5", "built from source", 12.7)
    assert [line.split() for line in stream.getvalue().splitlines()] == [
        ["etcd", "3.6.5", "building", "from", "source", "..."],
        ["a", "word"],
        ["etcd", "3.6.5", "built", "from", "source", "in", "13", "s"],
    ]
    assert "\r" not in stream.getvalue()


def test_console_counts_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    report = ConsoleReporter(stream, interval=0.01)
    report.begin("etcd 3.6.5", "building from source, with words that do not fit in the line")
    time.sleep(0.1)
    report.end("etcd 3.6.5", "built from source", 3.21)
    drawn = stream.getvalue().split("\r\x1b[K")
    assert len(drawn) > 3
    assert all(len(line) < 60 for line in drawn[:-1])
    assert drawn[-1].endswith("built from source in 3.2 s\n")


def test_go_versions() -> None:
    assert parse_version("go1.26.8") > parse_version("1.26.6") > parse_version("go1.26")
    assert parse_version("go1.9") < parse_version("1.26")
    assert parse_version("devel go1.27-abc") == ()
    assert required_version("module x\n\ngo 1.26.6\n\nrequire y v1\n") == "1.26.6"


def test_compilers_share_the_memory() -> None:
    gib = 1 << 30
    assert memory_limit(24 * gib, 2) == 3072
    assert memory_limit(16 * gib, 8) == 1024
    assert memory_limit(2 * gib, 64) == 256


def test_the_users_go_settings_are_kept_or_overruled() -> None:
    base = {"GOFLAGS": "-mod=vendor", "GOPROXY": "https://mirror.example", "GOWORK": "/w"}
    environ = go_environment(Path("/c d"), "arm64", base)
    assert environ["GOPROXY"] == "https://mirror.example"
    assert environ["GOFLAGS"] == "-modcacherw"
    assert environ["GOWORK"] == "off"
    assert environ["GOTOOLCHAIN"] == "local"
    assert environ["GOCACHE"] == "/c d/go/build"
    assert environ["GOMODCACHE"] == "/c d/go/mod"
    assert environ["GOARCH"] == "arm64"
