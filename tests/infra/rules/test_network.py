"""Proxies and certificates."""

import pytest

from infra.rules import Facts
from tests.infra.rules.stack import errors

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("http://proxy:3128", None),
        ("https://proxy.example.com", None),
        ("http://10.0.0.1:3128/", None),
        ("http://[fd00::1]:3128", None),
        ("proxy:3128", "must be http://host:port"),
        ("socks5://proxy:1080", "must be http://host:port"),
        ("http://proxy:3128/path", "must be http://host:port"),
        ("http://jane:hunter2@proxy:3128", "--secret rayline:proxyUrl"),
        ("jane:hunter2@proxy:3128", "--secret rayline:proxyUrl"),
    ],
)
@pytest.mark.parametrize("key", ["httpProxy", "httpsProxy"])
def test_proxies(key: str, address: str, word: str | None) -> None:
    reported = errors(**{f"network__{key}": address})
    assert list(reported) == ([f"rayline:network.{key}"] if word else [])
    for message in reported.values():
        assert str(word) in message
        assert "hunter2" not in message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (PEM, None),
        (None, "not a readable file"),
        ("text", "must contain certificates"),
        (PEM + "-----BEGIN PRIVATE KEY-----\nAAAA\n", "contains a private key"),
        (PEM * 20_000, "at most 512 KiB"),
    ],
)
def test_authorities(content: str | None, word: str | None) -> None:
    reported = errors(Facts(authorities=content), network__caFile="ca.pem")
    assert list(reported) == (["rayline:network.caFile"] if word else [])
    for message in reported.values():
        assert str(word) in message
        assert "AAAA" not in message
