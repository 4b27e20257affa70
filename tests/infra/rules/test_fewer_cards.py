"""Hints about models that are spread over more cards than they need.

Every advised command is typed and checked again by tests.infra.rules.stack.
"""

from typing import Any

import pytest

from infra import rules
from infra.rules import Facts
from infra.settings import parse
from tests.commands import advised, typed
from tests.infra.rules.stack import hints
from tests.stacks import values

MODEL = "rayline:models[0]"
TWO_STAGES: dict[str, Any] = {"models__0__pipelineParallel": 2}


def test_one_card_instead_of_two_stages() -> None:
    message = hints(**TWO_STAGES)[MODEL]
    assert "fits 1 card of big (A)" in message
    assert "2 replicas are faster and sturdier than pipeline stages" in message
    assert advised(message) == [
        "pulumi config set --path 'rayline:models[0].pipelineParallel' 1",
        "pulumi config set --path 'rayline:models[0].replicas' 2",
    ]


def test_the_room_for_the_cache_is_named_before_and_after() -> None:
    """(0.9 x 23.04 - 10 - 1.5) GiB at 100 KiB per token, and twice that of half the weights."""
    message = hints(**TWO_STAGES)[MODEL]
    one = int((0.9 * 23.04 - 10 - 1.5) * 1024**2 / 100)
    two = int((0.9 * 23.04 - 5 - 1.5) * 1024**2 / 50)
    assert f"room for {one} tokens of KV cache; now it has room for {two}" in message


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"models__0__tensorParallel": 2}, (1, 1, 2)),
        ({"models__0__tensorParallel": 2, "models__0__pipelineParallel": 2}, (1, 1, 4)),
        # 30 GiB do not fit one card; two cards of one worker are better than two stages.
        (
            {
                "models__0__weightsGib": 30,
                "models__0__tensorParallel": 2,
                "models__0__pipelineParallel": 2,
            },
            (2, 1, 2),
        ),
        ({"models__0__weightsGib": 30, "models__0__pipelineParallel": 4}, (1, 2, 2)),
    ],
)
def test_the_smallest_split_that_fits_is_advised(
    change: dict[str, Any], left: tuple[int, int, int]
) -> None:
    message = hints(**change)[MODEL]
    (model,) = parse(typed(values(**change), advised(message))).models
    assert (model.tensor_parallel, model.pipeline_parallel, model.replicas) == left


def test_tensor_parallelism_is_described_fairly() -> None:
    assert "tensor parallelism answers one sooner" in hints(models__0__tensorParallel=2)[MODEL]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"models__0__weightsGib": 30},
        {"models__0__weightsGib": 19},  # fits without activations only
        {"models__0__maxModelLen": 131072},  # one sequence of that length does not fit one card
        {"models__0__kvKibPerToken": None},  # unknown
        {"models__0__weightsGib": None},
        {"image__device": "cpu"},
        {
            "models__0__cpus": 16,
            "gpuGroups__0__workers": 1,
        },  # more replicas would need more Ray CPUs
    ],
)
def test_there_is_no_hint_without_a_gain(change: dict[str, Any]) -> None:
    base = {} if not change else TWO_STAGES
    assert hints(**base, **change) == {}


def test_a_hint_stops_nothing() -> None:
    found = rules.require(parse(values(**TWO_STAGES)), Facts())
    assert [problem.severity for problem in found] == ["hint"]
