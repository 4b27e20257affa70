"""Hubs that are busy or unreachable for a while."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.download import client
from app.download.errors import DownloadError, Interrupted, MistakeError
from app.download.hub import Repository
from app.download.patience import BUDGET, Patience, requested_pause
from app.download.progress import Progress
from app.download.run import Into, Wanted, download
from sandbox.hub.repositories import COMMIT, Behaviour
from sandbox.hub.server import Hub
from tests.app.download import weights
from tests.app.download.weights import SOURCE, same


class Run:
    """One download with a fake clock: pauses pass at once."""

    def __init__(self, budget: float = BUDGET) -> None:
        self.pauses: list[float] = []
        self.lines: list[str] = []
        self._budget = budget

    def __call__(self, url: str, cache: Path) -> Path:
        progress = Progress(self.lines.append)
        patience = Patience(progress, self.pauses.append, self._budget)
        with client.create() as http:
            wanted = Wanted(Repository(url, SOURCE, COMMIT, http))
            folder = download(wanted, [], Into(cache, progress, patience))
        assert folder is not None
        return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return weights.make(tmp_path / "model")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "hub"


def test_a_limited_listing_waits_as_long_as_the_hub_asks(model: Path, cache: Path) -> None:
    """A 429 at the listing ended the run after one request."""
    run = Run()
    with weights.hub(model, Behaviour(limited=3, retry_after="240")) as hub:
        assert same(run(hub.url, cache), model)
    assert run.pauses == [240.0, 240.0, 240.0]
    assert run.lines[0] == (
        f"the listing of {SOURCE}: {hub.url} answered 429 for {SOURCE}; retrying in 240 s, as it "
        "asks"
    )


def test_every_request_of_a_download_may_be_limited(model: Path, cache: Path) -> None:
    run = Run()
    limits = iter([True, False] * 4)  # the listing, two small files, the weights

    class Limiting(Hub):
        def count(self, repository: str, what: str) -> int:
            return -1 if next(limits, False) else 10**9

    behaviour = Behaviour(limited=1, retry_after="7")
    with weights.serving(Limiting(model, repositories={SOURCE: behaviour})) as hub:
        assert same(run(hub.url, cache), model)
    assert run.pauses == [7.0] * 4
    assert any(line.startswith("model.safetensors at 0 bytes of 293.0 KiB") for line in run.lines)


def test_a_window_of_five_minutes_is_survived_without_a_hint(model: Path, cache: Path) -> None:
    run = Run()
    with weights.hub(model, Behaviour(limited=14)) as hub:
        assert same(run(hub.url, cache), model)
    assert run.pauses[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert sum(run.pauses) > 300 - 30


@pytest.mark.parametrize("retry_after", ["", "10", "999999999", "Wed, 21 Oct 2065 07:28:00 GMT"])
def test_a_hub_that_never_recovers_ends_the_run(model: Path, cache: Path, retry_after: str) -> None:
    run = Run()
    with (
        weights.hub(model, Behaviour(limited=-1, retry_after=retry_after)) as hub,
        pytest.raises(DownloadError, match=r"answered 429.*without progress.*next run") as error,
    ):
        run(hub.url, cache)
    assert error.value.exit_code == 1
    assert sum(run.pauses) <= BUDGET


def test_progress_renews_the_budget(model: Path, cache: Path) -> None:
    run = Run(budget=3)
    with weights.hub(model, Behaviour(cut=40_000)) as hub:
        assert same(run(hub.url, cache), model)
    assert sum(run.pauses) > 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "1.5"}, 2),
        ({"retry-after": format_datetime(datetime(2026, 1, 1, 0, 5, tzinfo=UTC))}, 300),
        ({"retry-after": format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"ratelimit": '"api";r=0;t=55'}, 55),
        ({"ratelimit": '"api";r=12;t=55'}, None),
        ({}, None),
    ],
)
def test_pauses_that_hubs_ask_for(headers: dict[str, str], seconds: float | None) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert requested_pause(headers, now.timestamp) == seconds
    later = now + timedelta(hours=1)
    assert (requested_pause(headers, later.timestamp) or 0) <= (seconds or 0)


class Server(ThreadingHTTPServer):
    """Answers everything with one status, and counts."""

    daemon_threads = True
    status = 407
    location = ""
    asked = 0


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        server: Server

        def do_GET(self) -> None:
            self.server.asked += 1
            self.send_response(self.server.status)
            if self.server.location:
                self.send_header("Location", self.server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def listing(url: str) -> None:
    with client.create() as http:
        Repository(url, SOURCE, COMMIT, http).files()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_these_answers_are_retried(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(Interrupted, match=str(status)):
        listing(f"http://127.0.0.1:{server.server_port}")


@pytest.mark.parametrize(
    ("status", "location", "message"),
    [
        (407, "", "proxy requires a password.*rayline:proxyUrl"),
        (400, "", r"answered 400.*`source`"),
        (302, "file:///etc/passwd", "not http or https|scheme 'file'"),
        (302, "ftp://127.0.0.1/x", "not http or https|scheme 'ftp'"),
        (302, "/again", "redirects more than 10 times"),
    ],
)
def test_these_answers_end_the_run(
    server: Server, status: int, location: str, message: str
) -> None:
    server.status, server.location = status, location
    with pytest.raises(MistakeError, match=message):
        listing(f"http://127.0.0.1:{server.server_port}")
    assert server.asked <= 11


@pytest.mark.parametrize("secret", [False, True])
def test_requests_go_through_the_proxy(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: bool
) -> None:
    """The hub serves as the proxy: it gets the whole address of a host that does not exist."""
    file = tmp_path / "proxy"
    with weights.hub(model) as hub:
        address = hub.url.replace("//", "//jane:hunter2@") if secret else hub.url
        if secret:
            file.write_text(address)
        else:
            monkeypatch.setenv("HTTP_PROXY", address)
        done = weights.run("http://hub.invalid", tmp_path / "home", "--proxy-file", str(file))
        assert done.returncode == 0, done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_a_proxy_that_cannot_be_used_is_named_without_its_password(tmp_path: Path) -> None:
    file = tmp_path / "proxy"
    file.write_text("ftp://jane:hunter2@proxy:3128")
    done = weights.run("http://hub.invalid", tmp_path / "home", "--proxy-file", str(file))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "rayline:proxyUrl" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_authority_that_is_none_is_named() -> None:
    with pytest.raises(MistakeError, match=r"not certificates in PEM form.*network\.caFile"):
        client.create(authorities=["no certificate"])
