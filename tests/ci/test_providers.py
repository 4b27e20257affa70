"""CI systems are modules of `ci.providers`; the rest of `ci` does not know their names."""

import re
import sys
from pathlib import Path

import pytest

from ci import preview, providers, redaction
from tests.ci.providers import DOUBLES

CI = Path(preview.__file__).parent
THIRD = """
from contextlib import contextmanager
from ci.provider import Context, Provider

class Forge(Provider):
    comment_tokens = ("FORGE_TOKEN",)
    token_shape = r"frg_[a-z]{16}"
    comment_limit = 900

    def is_running(self, environ):
        return "FORGE" in environ

    def context(self, environ):
        return Context("abc", "https://forge.example.com")

    def missing(self, environ):
        return "the forge is cold"

    @contextmanager
    def comments(self, environ):
        raise AssertionError

PROVIDER = Forge()
"""


def test_only_the_providers_name_a_system() -> None:
    names = re.compile("|".join(providers.names()), re.IGNORECASE)
    for path in CI.glob("*.py"):
        assert not names.search(path.read_text()), path.name


def test_every_provider_has_its_double() -> None:
    assert set(DOUBLES) == set(providers.names())


def test_a_third_provider_is_one_more_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forge.py").write_text(THIRD)
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ci.providers.forge", raising=False)
    try:
        options = preview.parser().parse_args(["--stack", "dev", "--comment", "forge"])
        assert options.comment == "forge"
        assert providers.current({"FORGE": "1"}) is providers.load("forge")
        assert "FORGE_TOKEN" in providers.comment_tokens()
        assert "frg_" not in redaction.Redactor({})("frg_abcdefghijklmnop")
    finally:
        sys.modules.pop("ci.providers.forge", None)


def test_a_developers_machine_has_no_provider() -> None:
    assert providers.current({"HOME": "/home/me", "CI": ""}) is None
