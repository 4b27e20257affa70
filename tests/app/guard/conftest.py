"""Limits of arrival that a test can wait for."""

import pytest

from app.guard import arrival, http_server


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "LOGIN_PACE", arrival.Pace(0.5, 65_536))
    monkeypatch.setattr(arrival, "REQUEST_PACE", arrival.Pace(0.5, 65_536))
    monkeypatch.setattr(http_server, "HEAD_S", 1.0)
    monkeypatch.setattr(http_server, "REST_S", 1.0)
