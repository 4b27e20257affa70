"""Tokens that are no longer valid, and clocks that differ."""

from collections.abc import Callable

import jwt
import pytest

from app.auth import tokens
from tests.app.auth.bad_tokens import signed
from tests.app.conftest import HASHES, Service, values


def test_a_cached_token_still_expires(service: Service) -> None:
    verifier = tokens.Verifier(service.clock)
    config = service.auth.config()
    token = service.token("bob").encode()
    assert verifier.verify(token, config, 0).subject == "bob"
    service.clock.now += 3600 + tokens.LEEWAY_S
    with pytest.raises(tokens.TokenError, match="expired"):
        verifier.verify(token, config, 0)


@pytest.mark.parametrize("kind", ["user", "service"])
@pytest.mark.parametrize(("ahead", "right"), [(0, True), (59, True), (61, False)])
def test_a_token_of_a_replica_whose_clock_is_ahead(
    service: Service, kind: str, ahead: int, right: bool
) -> None:
    """Its `iat` is in the future here. It is no longer, once it was verified."""
    service.clock.now = float(int(service.clock.now))
    config = service.auth.config()
    token = issued(service, kind, service.clock.now + ahead)
    for verifier in (tokens.Verifier(service.clock), tokens.Verifier(service.clock)):
        if right:
            assert verifier.verify(token, config, 0)
        else:
            with pytest.raises(tokens.TokenError, match="claim_times"):
                verifier.verify(token, config, 0)


@pytest.mark.parametrize("kind", ["user", "service"])
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(("late", "right"), [(-1, True), (59, True), (61, False)])
def test_a_token_of_a_replica_whose_clock_is_behind(
    service: Service, kind: str, cached: bool, late: int, right: bool
) -> None:
    """Its `exp` is in the past here."""
    began = service.clock.now = float(int(service.clock.now))
    config = service.auth.config()
    token = issued(service, kind, began)
    verifier = tokens.Verifier(service.clock)
    if cached:
        verifier.verify(token, config, 0)
    service.clock.now = began + (3600 if kind == "user" else 86400) + late
    if right:
        assert verifier.verify(token, config, 0)
    else:
        with pytest.raises(tokens.TokenError, match="expired"):
            verifier.verify(token, config, 0)


def issued(service: Service, kind: str, now: float) -> bytes:
    config = service.auth.config()
    if kind == "user":
        return tokens.user_token(config.keys[0], config.users["bob"], 60, now).encode()
    return tokens.service_token(config.keys[0], "open-webui", "user", 1, now)[0].encode()


def test_there_is_no_other_claim_about_time(service: Service) -> None:
    """`nbf` would need a difference of its own; a token that has one is not ours."""
    key = service.auth.config().keys[0]
    good = jwt.decode(service.token("bob"), options={"verify_signature": False})
    header = jwt.get_unverified_header(service.token("bob"))
    for moment in (good["iat"], good["iat"] + 59, good["iat"] + 3600):
        token = signed(header, {**good, "nbf": moment}, key.secret)
        with pytest.raises(tokens.TokenError):
            tokens.Verifier(service.clock).verify(token, service.auth.config(), 0)


@pytest.mark.parametrize("drift", [-60, 0, 60])
def test_no_difference_of_clocks_postpones_a_revocation(
    make: Callable[..., Service], drift: int
) -> None:
    """A removed user, a new password and a revoked token are refused at once, whatever the time."""
    service = make()
    mine = b"Bearer " + issued(service, "user", service.clock.now + drift)
    program = b"Bearer " + issued(service, "service", service.clock.now + drift)
    for changes, given, reason in (
        ({"USER_LIST": "ALICE"}, mine, "user_removed"),
        ({"BOB_HASHED_PASSWORD": HASHES["gina"]}, mine, "password_changed"),
        ({"REVOKED_SERVICE_TOKENS": "open-webui"}, program, "revoked"),
    ):
        changed = make(values(**changes))
        changed.clock.now = service.clock.now
        with pytest.raises(tokens.TokenError, match=reason):
            changed.auth.identify(given)
