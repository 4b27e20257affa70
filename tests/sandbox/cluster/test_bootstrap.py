"""Waiting for the cluster, until it succeeds or until a message names what did not happen."""

from collections.abc import Iterator

import pytest

from sandbox.cluster import bootstrap
from toolchain.errors import CommandError


def test_an_error_counts_as_not_ready_yet() -> None:
    answers: Iterator[CommandError | bool] = iter([CommandError("refused"), False, True])

    def done() -> bool:
        answer = next(answers)
        if isinstance(answer, CommandError):
            raise answer
        return answer

    bootstrap.wait("it to happen", done, 5, "")
    assert list(answers) == []


def test_the_message_names_the_goal_the_time_and_the_last_error() -> None:
    def done() -> bool:
        raise CommandError("connection refused")

    message = (
        r"^Timed out after 0 s while waiting for the API server to answer\. connection refused$"
    )
    with pytest.raises(CommandError, match=message) as failed:
        bootstrap.wait("the API server to answer", done, 0, "Log: x")
    assert failed.value.hint == "Log: x"
