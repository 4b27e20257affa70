"""The owner of a sandbox; tests/cluster/test_lifecycle.py tests its start and stop."""

from typing import Any

import pytest

from sandbox.node import lifecycle
from toolchain.errors import UserError
from toolchain.paths import CHECKOUT


@pytest.mark.parametrize("holder", [None, {"checkout": str(CHECKOUT), "pid": 1}])
def test_no_sandbox_and_our_own_are_accepted(
    monkeypatch: pytest.MonkeyPatch, holder: dict[str, Any] | None
) -> None:
    monkeypatch.setattr(lifecycle, "owner", lambda: holder)
    lifecycle.refuse_foreign()


def test_the_sandbox_of_another_checkout_is_refused_with_how_to_stop_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holder = {"checkout": "/else where/rayline", "pid": 1}
    monkeypatch.setattr(lifecycle, "owner", lambda: holder)
    with pytest.raises(UserError, match="/else where/rayline runs a sandbox") as refused:
        lifecycle.refuse_foreign()
    assert refused.value.hint == "Stop it first: make -C '/else where/rayline' sandbox-down"
