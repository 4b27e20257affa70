"""Downloads from a server on this machine: anything that is not accepted is built instead."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from toolchain import ensure
from toolchain.model import Binary, Download, Probe, Tool
from toolchain.prebuilt import address, find_checksum
from toolchain.settings import Settings

GOOD = b"#!/bin/sh\necho thing 1.2.3\n"
HASH = hashlib.sha256(GOOD).hexdigest()


class Vendor:
    """A server; `files` maps a path to (body, announced length)."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, int]] = {}
        self.asked: list[str] = []
        self.hang = threading.Event()
        self.hanging = False
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                vendor.asked.append(self.path)
                if vendor.hanging:
                    vendor.hang.wait(20)
                if self.path not in vendor.files:
                    self.send_error(404)
                    return
                body, length = vendor.files[self.path]
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def serve(self, path: str, body: bytes, length: int | None = None) -> None:
        self.files[path] = (body, len(body) if length is None else length)

    def close(self) -> None:
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    yield vendor
    vendor.close()


class Recorder:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, name: str, what: str) -> None:
        pass

    def end(self, name: str, outcome: str, seconds: float) -> None:
        self.lines.append(f"{name} {outcome}")

    def note(self, text: str) -> None:
        self.lines.append(text)


class Lab:
    def __init__(self, root: Path, vendor: Vendor) -> None:
        self.root = root
        self.vendor = vendor
        self.recorder = Recorder()
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "go").symlink_to(Path(__file__).parent / "fake-go")
        (root / "sources" / "thing").mkdir(parents=True)
        (root / "sources" / "thing" / "go.mod").write_text("module thing\n\ngo 1.26.0\n")

    def tool(self, name: str = "thing", file: str = "thing") -> Tool:
        return Tool(
            name=name,
            version="1.2.3",
            folder="thing",
            compiled=(Binary("thing", "example.org/thing"),),
            downloads=(
                Download(
                    f"{self.vendor.url}/{{arch}}/{file}", f"{self.vendor.url}/sums", ("thing",)
                ),
            ),
            probes=(Probe("thing", ("--version",), ("thing 1.2.3",)),),
        )

    def ensure(
        self, *tools: Tool, use_prebuilt: bool = True, stall: float = 10.0
    ) -> dict[str, Path]:
        environ = {
            "PATH": f"{self.root / 'bin'}:/usr/bin:/bin",
            "FAKE_GO_CALLS": str(self.root / "calls"),
        }
        settings = Settings(
            cache=self.root / "cache",
            arch="amd64",
            tools=tools,
            sources=self.root / "sources",
            environ=environ,
            use_prebuilt=use_prebuilt,
            connect_timeout=10.0,
            stall_timeout=stall,
        )
        return ensure(report=self.recorder, settings=settings)

    def built(self) -> bool:
        return (self.root / "calls").exists()


@pytest.fixture
def lab(tmp_path: Path, vendor: Vendor) -> Lab:
    return Lab(tmp_path / "with space", vendor)


def archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, body in ((name, content), ("release/README.md", b"read me")):
            info = tarfile.TarInfo(path)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def test_a_verified_binary_is_used_and_cached(lab: Lab, vendor: Vendor) -> None:
    vendor.serve("/amd64/thing", GOOD)
    vendor.serve("/sums", HASH.encode())
    folder = lab.ensure(lab.tool())["thing"]
    assert (folder / "bin" / "thing").read_bytes() == GOOD
    assert lab.recorder.lines == ["thing 1.2.3 downloaded"]
    assert lab.ensure(lab.tool())["thing"] == folder
    assert len(vendor.asked) == 2
    assert not lab.built()


def test_the_binary_is_extracted_from_any_folder_of_the_archive(lab: Lab, vendor: Vendor) -> None:
    body = archive("../../release/thing", GOOD)
    vendor.serve("/amd64/thing.tar.gz", body)
    vendor.serve("/sums", f"{hashlib.sha256(body).hexdigest()} *dist/thing.tar.gz\n".encode())
    folder = lab.ensure(lab.tool(file="thing.tar.gz"))["thing"]
    assert [path.name for path in (folder / "bin").iterdir()] == ["thing"]
    assert (folder / "bin" / "thing").read_bytes() == GOOD
    assert not lab.built()


@pytest.mark.parametrize(
    ("body", "length", "checksum", "reason"),
    [
        (GOOD, None, "0" * 64, "does not have the published SHA-256"),
        (GOOD[:-4], len(GOOD), HASH, "does not have the published SHA-256"),
        (GOOD, None, "<html>no such page</html>", "has no SHA-256 of thing"),
        (b"#!/bin/sh\necho thing 1.2.4\n", None, None, "does not run as thing 1.2.3"),
        (b"\x7fELF of another machine", None, None, "does not run as thing 1.2.3"),
    ],
    ids=["checksum", "truncated", "no checksum", "version", "does not start"],
)
def test_anything_unexpected_is_reported_and_built(
    lab: Lab, vendor: Vendor, body: bytes, length: int | None, checksum: str | None, reason: str
) -> None:
    vendor.serve("/amd64/thing", body, length)
    vendor.serve("/sums", (checksum or hashlib.sha256(body).hexdigest()).encode())
    folder = lab.ensure(lab.tool())["thing"]
    assert len(lab.recorder.lines) == 2
    assert reason in lab.recorder.lines[0]
    assert lab.recorder.lines[1] == "thing 1.2.3 built from source"
    assert b"thing 1.2.3" in (folder / "bin" / "thing").read_bytes()


def test_an_archive_without_the_binary_is_built(lab: Lab, vendor: Vendor) -> None:
    body = archive("release/another", GOOD)
    vendor.serve("/amd64/thing.tgz", body)
    vendor.serve("/sums", hashlib.sha256(body).hexdigest().encode())
    lab.ensure(lab.tool(file="thing.tgz"))
    assert "does not contain thing" in lab.recorder.lines[0]
    assert lab.built()


def test_a_missing_file_does_not_rule_out_the_host(lab: Lab, vendor: Vendor) -> None:
    lab.ensure(lab.tool("one"), lab.tool("two"))
    assert vendor.asked == ["/sums", "/sums"]
    assert "answered 404" in lab.recorder.lines[0]


def test_a_hanging_host_is_tried_once(lab: Lab, vendor: Vendor) -> None:
    vendor.hanging = True
    lab.ensure(lab.tool("one"), lab.tool("two"), stall=0.3)
    assert vendor.asked == ["/sums"]
    assert "no answer in time" in lab.recorder.lines[0]
    assert lab.recorder.lines[1:] == ["one 1.2.3 built from source", "two 1.2.3 built from source"]


def test_a_host_that_refuses_connections_is_tried_once(lab: Lab, vendor: Vendor) -> None:
    vendor.close()
    lab.ensure(lab.tool("one"), lab.tool("two"))
    assert "refused" in lab.recorder.lines[0]
    assert len(lab.recorder.lines) == 3


def test_downloads_can_be_switched_off(lab: Lab, vendor: Vendor) -> None:
    lab.ensure(lab.tool(), use_prebuilt=False)
    assert vendor.asked == []
    assert lab.built()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HASH, HASH),
        (f"{HASH.upper()}\n", HASH),
        (f"{'1' * 64}  other\n{HASH}  thing\n", HASH),
        (f"{HASH}  ./release/thing\n", HASH),
        (f"{HASH} *thing", HASH),
        (f"{HASH}  nothing\n", None),
        ("abc  thing", None),
        ("", None),
        ("not found", None),
    ],
)
def test_find_checksum(text: str, expected: str | None) -> None:
    assert find_checksum(text, "thing") == expected


def test_addresses_use_the_vendors_name_of_the_architecture() -> None:
    assert address("{arch}/{x64}", "amd64") == "amd64/x64"
    assert address("{arch}/{x64}", "arm64") == "arm64/arm64"
