"""The order PATH, cache, build, and the state after a failed, killed or concurrent build. No Go is
needed: `fake-go` stands in for it. All folders have a space in their names."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from toolchain import ensure
from toolchain.errors import CommandError, UserError
from toolchain.model import Binary, ModuleFiles, Overlay, Probe, Tool
from toolchain.paths import CHECKOUT
from toolchain.settings import Settings

FAKE_GO = Path(__file__).parent / "fake-go"
THING = Tool(
    name="thing",
    version="1.2.3",
    folder="thing",
    compiled=(Binary("thing", "example.org/thing/v2"),),
    probes=(Probe("thing", ("--version",), ("thing 1.2.3",)),),
)
PAIR = replace(
    THING,
    name="pair",
    compiled=(Binary("thing", "example.org/cmd/thing"), Binary("other", "example.org/cmd/other")),
    probes=(*THING.probes, Probe("other", ("--version",), ("thing 1.2.3",))),
)
EXTRA = ModuleFiles("thing", "example.org/m", "dist/run", "bin", strip="dist", executable=True)


class Recorder:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, name: str, what: str) -> None:
        self.lines.append(f"begin {name} {what}")

    def end(self, name: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.lines.append(f"end {name} {outcome}")

    def note(self, text: str) -> None:
        self.lines.append(f"note {text}")


class Lab:
    """Folders for one test, with `go` and whatever else a test puts on PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "some bin"
        self.calls = root / "calls"
        self.bin.mkdir(parents=True)
        (self.bin / "go").symlink_to(FAKE_GO)
        folder = root / "go sources" / "thing"
        folder.mkdir(parents=True)
        (folder / "go.mod").write_text("module thing\n\ngo 1.26.6\n")
        (folder / "go.sum").write_text("example.org/m v1.0.0 h1:abc=\n")
        self.settings = Settings(
            cache=root / "a cache",
            arch="amd64",
            tools=(THING, PAIR),
            sources=root / "go sources",
            environ=self.environ(),
        )

    def environ(self, **more: str) -> dict[str, str]:
        path = f"{self.bin}:/usr/bin:/bin"
        return {"PATH": path, "FAKE_GO_CALLS": str(self.calls), "HOME": "/nowhere", **more}

    def put(self, name: str, output: str) -> Path:
        script = self.bin / name
        script.write_text(f"#!/bin/sh\necho '{output}'\n")
        script.chmod(0o755)
        return script

    def builds(self) -> int:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return sum(line.startswith("build ") for line in lines)

    def ensure(self, tool: Tool = THING, settings: Settings | None = None) -> Path:
        settings = replace(settings or self.settings, tools=(tool,))
        return ensure([tool.name], report=Recorder(), settings=settings)[tool.name]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "a b")


def output(binary: Path) -> str:
    return subprocess.run([binary], capture_output=True, text=True, check=True).stdout.strip()


def test_builds_once_and_then_uses_the_cache(lab: Lab) -> None:
    first, second = Recorder(), Recorder()
    folder = ensure(["thing"], report=first, settings=lab.settings)["thing"]
    assert output(folder / "bin" / "thing") == "thing 1.2.3"
    assert ensure(["thing"], report=second, settings=lab.settings)["thing"] == folder
    assert lab.builds() == 1
    log = lab.settings.cache / "logs" / "tools" / "thing.log"
    assert first.lines == [
        f"begin thing 1.2.3 building from source (log: {log})",
        "end thing 1.2.3 built from source",
    ]
    assert second.lines == []
    assert "go build -trimpath -mod=readonly" in log.read_text()


def test_all_tools_when_none_is_named(lab: Lab) -> None:
    assert set(ensure(report=Recorder(), settings=lab.settings)) == {"thing", "pair"}


def test_what_is_optional_is_provided_for_tests_and_where_it_is_named(lab: Lab) -> None:
    settings = replace(lab.settings, tools=(THING, replace(PAIR, optional=True)))
    assert set(ensure(report=Recorder(), settings=settings)) == {"thing"}
    assert set(ensure(["pair"], report=Recorder(), settings=settings)) == {"pair"}
    assert set(ensure(report=Recorder(), settings=settings, tests=True)) == {"thing", "pair"}


def test_an_unknown_name_is_refused(lab: Lab) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        ensure(["nonsense"], report=Recorder(), settings=lab.settings)


def test_path_comes_first_even_before_the_cache(lab: Lab) -> None:
    lab.ensure()
    script = lab.put("thing", "thing 1.2.3")
    folder = lab.ensure()
    assert (folder / "bin" / "thing").readlink() == script
    assert lab.ensure() == folder
    assert lab.builds() == 1


@pytest.mark.parametrize("printed", ["thing 1.2.30", "thing 1.2.3-rc.1", "another 1.2.3", ""])
def test_another_version_on_path_is_not_used(lab: Lab, printed: str) -> None:
    lab.put("thing", printed)
    assert not (lab.ensure() / "bin" / "thing").is_symlink()
    assert lab.builds() == 1


def test_path_can_be_switched_off(lab: Lab) -> None:
    lab.put("thing", "thing 1.2.3")
    lab.ensure(settings=replace(lab.settings, use_path=False))
    assert lab.builds() == 1


@pytest.mark.parametrize("other", [None, "thing 1.2.4"])
def test_all_binaries_of_a_tool_must_match_on_path(lab: Lab, other: str | None) -> None:
    lab.put("thing", "thing 1.2.3")
    if other is not None:
        lab.put("other", other)
    folder = lab.ensure(PAIR)
    assert sorted(path.name for path in (folder / "bin").iterdir()) == ["other", "thing"]
    assert lab.builds() == 1


def test_a_hanging_binary_on_path_is_not_used(lab: Lab) -> None:
    lab.put("thing", "").write_text("#!/bin/sh\nexec sleep 60\n")
    lab.ensure(settings=replace(lab.settings, probe_timeout=0.2))
    assert lab.builds() == 1


def test_scripts_must_be_beside_the_binary_that_prints_the_version(lab: Lab) -> None:
    tool = replace(THING, extras=(EXTRA,))
    thing, run = lab.put("thing", "thing 1.2.3"), lab.put("run", "")
    folder = lab.ensure(tool)
    assert (folder / "bin" / "thing").readlink() == thing
    assert (folder / "bin" / "run").readlink() == run


def test_links_into_the_cache_do_not_count_as_found_on_path(lab: Lab) -> None:
    built = lab.ensure()
    (lab.bin / "thing").symlink_to(built / "bin" / "thing")
    assert lab.ensure() == built


def test_a_changed_source_is_built_again(lab: Lab) -> None:
    first = lab.ensure()
    (lab.settings.sources / "thing" / "main.go").write_text("package main\n")
    assert lab.ensure() != first
    assert lab.builds() == 2


def test_a_folder_that_lost_a_binary_is_replaced(lab: Lab) -> None:
    folder = lab.ensure()
    (folder / "bin" / "thing").unlink()
    assert lab.ensure() == folder
    assert (folder / "bin" / "thing").is_file()


def test_files_come_from_a_module_that_go_sum_pins(lab: Lab) -> None:
    module = lab.root / "m@v1.0.0"
    (module / "dist").mkdir(parents=True)
    (module / "dist" / "run").write_text("#!/bin/sh\n")
    (module / "dist" / "run").chmod(0o444)
    answer = {"Path": "example.org/m", "Version": "v1.0.0", "Sum": "h1:abc=", "Dir": str(module)}
    (lab.root / "answer").write_text(json.dumps(answer))
    (lab.settings.sources / "thing" / "ours.go").write_text("ours")
    tool = replace(
        THING,
        sources=(replace(EXTRA, into="assembled"), Overlay("ours.go", "assembled/run")),
        extras=(EXTRA, replace(EXTRA, into="share/data", executable=False)),
    )
    environ = lab.environ(FAKE_GO_MODULE=str(lab.root / "answer"))
    folder = lab.ensure(tool, replace(lab.settings, environ=environ))
    assert os.access(folder / "bin" / "run", os.X_OK)
    assert (folder / "share" / "data" / "run").is_file()
    assert not (lab.settings.sources / "thing" / "assembled").exists()

    (lab.settings.sources / "thing" / "go.sum").write_text("example.org/m v1.0.0 h1:xyz=\n")
    with pytest.raises(CommandError, match=r"go\.sum has no line: example\.org/m v1\.0\.0 h1:abc="):
        lab.ensure(tool, replace(lab.settings, environ=environ))


def test_a_failed_build_names_tool_command_and_log(lab: Lab) -> None:
    recorder = Recorder()
    settings = replace(lab.settings, environ=lab.environ(FAKE_GO_FAIL="1"))
    with pytest.raises(CommandError) as caught:
        ensure(["thing"], report=recorder, settings=settings)
    message = str(caught.value)
    assert "thing 1.2.3 could not be built: `go build -trimpath" in message
    assert str(lab.settings.cache / "logs" / "tools" / "thing.log") in message
    assert message.endswith("main.go:3: undefined: x")
    assert "    27\n" in message
    assert "    26\n" not in message
    assert recorder.lines[-1] == "end thing 1.2.3 build failed"
    assert not list((lab.settings.cache / "tools" / "thing").glob(".tmp-*"))


def test_without_go_the_message_names_the_remedies(lab: Lab) -> None:
    settings = replace(lab.settings, environ={"PATH": str(lab.root)})
    with pytest.raises(
        UserError, match=r"Go 1\.26\.6 or newer is needed .* none on PATH"
    ) as caught:
        lab.ensure(settings=settings)
    assert "thing (1.2.3)" in caught.value.hint


def test_an_old_go_is_refused_with_its_version(lab: Lab) -> None:
    settings = replace(lab.settings, environ=lab.environ(FAKE_GO_VERSION="go1.26.5"))
    with pytest.raises(UserError, match=r"some bin/go is go1\.26\.5"):
        lab.ensure(settings=settings)
    assert lab.builds() == 0


def test_two_runs_at_once_build_once(lab: Lab) -> None:
    settings = replace(lab.settings, environ=lab.environ(FAKE_GO_SLEEP="0.3"))
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(lab.ensure, THING, settings) for _ in range(2)]
        assert runs[0].result() == runs[1].result()
    assert lab.builds() == 1


def test_a_killed_build_leaves_no_partial_tool(lab: Lab) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from toolchain.store import Store\n"
        "store = Store(Path(sys.argv[1]), 'thing')\n"
        "with store.locked(lambda: None), store.staging() as staging:\n"
        "    (staging / 'half').write_text('x'); print('ready', flush=True); sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", program, str(lab.settings.cache)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        root = lab.settings.cache / "tools" / "thing"
        assert [path.name[:5] for path in root.iterdir() if path.is_dir()] == [".tmp-"]
        process.send_signal(signal.SIGKILL)
    folder = lab.ensure()
    assert sorted(path.name for path in root.iterdir()) == sorted([folder.name, "lock"])


def test_leftovers_are_removed_when_nothing_is_to_be_built(lab: Lab) -> None:
    lab.ensure()
    leftover = lab.settings.cache / "tools" / "thing" / ".tmp-abc"
    leftover.mkdir()
    began = time.monotonic()
    lab.ensure()
    assert not leftover.exists()
    assert time.monotonic() - began < 5


def test_the_environment_switches_off_ways_to_a_tool(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAYLINE_CACHE", str(tmp_path))
    monkeypatch.setenv("RAYLINE_PREBUILT", "0")
    monkeypatch.setenv("RAYLINE_TOOLS_FROM_PATH", "0")
    settings = Settings.from_environment()
    assert (settings.cache, settings.use_prebuilt, settings.use_path) == (tmp_path, False, False)
    monkeypatch.delenv("RAYLINE_PREBUILT")
    monkeypatch.delenv("RAYLINE_TOOLS_FROM_PATH")
    settings = Settings.from_environment()
    assert (settings.use_prebuilt, settings.use_path) == (True, True)
