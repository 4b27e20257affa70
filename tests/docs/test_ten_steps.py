"""The README's ten steps can be typed; `make test-theirs` types them."""

from tests.cluster.theirs.readme import page, steps, typed
from tests.cluster.theirs.shell import commands


def test_the_steps_are_complete_commands_with_a_value_for_each_word_in_capitals() -> None:
    found = steps(page("README.md"))
    assert [step.number for step in found] == list(range(1, 11))
    for step in found:
        assert list(commands(typed(step.commands))), step.title
