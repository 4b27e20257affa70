"""How often a secret has changed. Under the real engine: engine/."""

from typing import Any

from infra.providers.common.properties import UNKNOWN
from infra.providers.secret_version import SecretVersionProvider
from tests.infra.providers.calls import call

PROVIDER = SecretVersionProvider()


def checked(olds: dict[str, Any], digest: Any) -> dict[str, Any]:
    result = PROVIDER.check(olds, {"digest": digest})
    assert not result.failures
    return result.inputs


def test_a_change_counts_once_and_starts_at_zero() -> None:
    first = checked({}, "a")
    assert first["version"] == 0
    assert checked(first, "a") == first
    second = checked(first, "b")
    assert second["version"] == 1
    assert checked(second, "b") == second
    assert checked(second, "a")["version"] == 2, "going back is a change too"


def test_a_value_that_is_not_known_yet_will_be_another_one() -> None:
    """A generated token in place of a configured one."""
    assert checked({}, UNKNOWN)["version"] == 0
    assert checked({"digest": "a", "version": 3}, UNKNOWN)["version"] == 4


def test_the_outputs_contain_the_number_alone() -> None:
    old, new = {"version": 0}, {"digest": "b", "version": 1}
    assert PROVIDER.diff("id", old, new).changes is True
    assert PROVIDER.diff("id", {"version": 1}, new).changes is False
    assert PROVIDER.update(call(), "id", old, new) == {"version": 1}
    assert PROVIDER.create(call(), new).outs == {"version": 1}
