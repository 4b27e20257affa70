"""Tokens that are no longer valid."""

import pytest

from app.auth import tokens
from tests.app.conftest import Service


def test_a_cached_token_still_expires(service: Service) -> None:
    verifier = tokens.Verifier(service.clock)
    config = service.auth.config()
    token = service.token("bob").encode()
    assert verifier.verify(token, config, 0).subject == "bob"
    service.clock.now += 3600 + tokens.LEEWAY_S
    with pytest.raises(tokens.TokenError, match="expired"):
        verifier.verify(token, config, 0)
