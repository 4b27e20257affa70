"""A look at the cluster that must not hold up a preview, whatever the cluster does."""

import time
from collections.abc import Callable
from concurrent.futures import wait
from typing import TypeVar

from infra.providers.common.api_server import KubeError
from infra.providers.common.call import ProviderError, in_thread

T = TypeVar("T")


class UnreachableError(ProviderError):
    """The cluster did not answer, or not to this user. The text says so, and what to type."""


def within(seconds: float, work: Callable[[], T], context: str) -> T:
    """The result of `work`, which a broken connection, a slow name server or a credential plug-in
    may hold up; UnreachableError after `seconds`, or for a KubeError."""
    began = time.monotonic()
    future = in_thread(work)
    if not wait([future], seconds).done:
        took = time.monotonic() - began
        raise UnreachableError(
            f"context {context!r}: no answer within {took:.0f} s. "
            f"`kubectl --context {context} version` should answer"
        )
    try:
        return future.result()
    except KubeError as error:
        raise UnreachableError(str(error)) from error
