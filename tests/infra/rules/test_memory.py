"""Whether models fit, from declared sizes and from facts about their files."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import rules
from infra.facts.model_facts import ModelFacts, from_config
from infra.rules import Facts, memory
from infra.rules.sources import TYPED_ARGUMENTS
from infra.settings import parse
from tests.commands import advised, typed
from tests.infra.rules.stack import errors, warnings
from tests.stacks import REVISION, settings, values

# The shape of Mistral Small 24B, from its config.json.
MISTRAL = {
    "model_type": "mistral",
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 5120,
    "max_position_embeddings": 32768,
    "torch_dtype": "float16",
    "sliding_window": None,
    "quantization_config": {"quant_method": "awq", "bits": 4},
}
UNDECLARED = {"models__0__weightsGib": None, "models__0__kvKibPerToken": None}
CARD = "rayline:models[0]"


def facts(config: dict[str, Any], gib: float | None = 10) -> Facts:
    size = None if gib is None else int(gib * memory.GIB)
    return Facts(models={("owner/one", REVISION): from_config(config, size)})


def test_a_declared_model_fits_or_not() -> None:
    assert errors() == {}
    reported = errors(models__0__weightsGib=22)
    assert "22.0 GiB of weights" in reported[CARD]
    assert "0.9 x 24 GiB = 21.6 GiB" in reported[CARD]
    assert "'rayline:models[0].pipelineParallel' 2" in reported[CARD]


@pytest.mark.parametrize(
    ("weights", "stages", "workers"),
    [(22, 2, None), (60, 3, None), (80, 4, None), (100, 5, 3), (400, 19, 10)],
)
def test_as_many_cards_are_advised_as_the_model_needs(
    weights: int, stages: int, workers: int | None
) -> None:
    """The group has 2 workers with 2 cards each. The advice is typed and checked again."""
    message = errors(models__0__weightsGib=weights)[CARD]
    commands = advised(message)
    assert commands[0].endswith(f"pipelineParallel' {stages}")
    assert len(commands) == (1 if workers is None else 2)
    if workers is not None:
        assert commands[1].endswith(f"'rayline:gpuGroups[0].workers' {workers}")
    stack = typed(values(models__0__weightsGib=weights), commands)
    assert [p for p in rules.check(parse(stack)) if p.severity == "error"] == []


def test_the_cards_of_other_models_of_the_group_count() -> None:
    two = {"models__0__weightsGib": 60, "models__1__route": "/two", "models__1__weightsGib": 10}
    commands = advised(errors(**two)[CARD])
    assert [command.rpartition(" ")[2] for command in commands] == ["3"]
    three = {**two, "models__1__replicas": 2}
    assert [c.rpartition(" ")[2] for c in advised(errors(**three)[CARD])] == ["3", "3"]


def test_no_number_of_cards_is_advised_where_none_is_enough() -> None:
    """A budget below the overhead of each process, and a model of fewer layers than stages."""
    message = errors(gpuGroups__0__gpu__memoryGib=0.4)[CARD]
    assert "No number of these cards is enough" in message
    assert advised(message) == []
    few = facts({**MISTRAL, "num_hidden_layers": 2}, 100)
    assert "No number of these cards" in errors(few, **UNDECLARED)[CARD]


def test_the_kv_cache_of_one_sequence_counts() -> None:
    reported = errors(models__0__maxModelLen=131072)
    assert "12.5 GiB of KV cache for 131072 tokens" in reported[CARD]
    advice = reported[CARD].split("maxModelLen' ")[1].split(",")[0]
    assert int(advice) % 16 == 0
    assert errors(models__0__maxModelLen=int(advice)) == {}
    assert errors(models__0__maxModelLen=int(advice) + 16) != {}


def test_little_to_spare_is_a_warning() -> None:
    assert "activations" in warnings(models__0__weightsGib=20.5)[CARD]


def test_more_cards_offloading_and_a_larger_share_make_room() -> None:
    large: dict[str, Any] = {"models__0__weightsGib": 22}
    for more in (
        {"models__0__pipelineParallel": 2},
        {"models__0__tensorParallel": 2},
        {"models__0__cpuOffloadGb": 4},
        {"models__0__gpuMemoryUtilization": 0.97},
    ):
        assert errors(**large, **more) == {}, more


def test_an_unknown_size_is_a_warning_with_a_command() -> None:
    reported = warnings(**UNDECLARED)
    assert "rayline:models[0].weightsGib" in reported
    assert "pulumi config set --path 'rayline:models[0].weightsGib'" in next(
        iter(reported.values())
    )
    assert errors(**UNDECLARED) == {}


def test_the_shape_comes_from_config_json() -> None:
    """160 KiB per token: 2 x 40 layers x 8 KV heads x 128 x 2 bytes."""
    known = facts(MISTRAL, 13.3)
    stack = settings(**UNDECLARED, models__0__maxModelLen=32768, models__0__pipelineParallel=2)
    need = memory.need(stack.models[0], stack.gpu_groups[0], known.of(stack.models[0]))
    assert need is not None
    assert need.kv == pytest.approx(160 * 1024 * 32768 / 2 / memory.GIB)
    assert need.weights == pytest.approx(13.3 / 2, rel=1e-6)


def test_a_quantized_kv_cache_is_half() -> None:
    stack = settings(**UNDECLARED, models__0__engineArgs={"kv-cache-dtype": "fp8"})
    plain = settings(**UNDECLARED)
    small, large = (
        memory.need(s.models[0], s.gpu_groups[0], facts(MISTRAL).of(s.models[0]))
        for s in (stack, plain)
    )
    assert small is not None
    assert large is not None
    assert small.kv is not None
    assert small.kv * 2 == large.kv


def test_without_a_length_the_models_own_counts() -> None:
    long = {**MISTRAL, "max_position_embeddings": 1_000_000}
    assert errors(facts(long), **UNDECLARED, models__0__maxModelLen=None)[CARD]
    assert errors(facts(MISTRAL), **UNDECLARED, models__0__maxModelLen=None) == {}


@pytest.mark.parametrize(
    "odd",
    [
        {"kv_lora_rank": 512},
        {"mamba_d_state": 16},
        {"sliding_window": 4096},
        {"layer_types": ["full_attention", "linear_attention"]},
    ],
)
def test_an_unusual_attention_is_not_guessed(odd: dict[str, Any]) -> None:
    """A million tokens would not fit if every layer cached them."""
    long = {"models__0__maxModelLen": 1_000_000, **UNDECLARED}
    assert errors(facts({**MISTRAL, **odd}), **long) == {}
    assert "rayline:models[0].kvKibPerToken" in warnings(facts({**MISTRAL, **odd}), **long)
    assert errors(facts(MISTRAL), **long) != {}
    unused = {**MISTRAL, "sliding_window": 4096, "use_sliding_window": False}
    assert errors(facts(unused), **long) != {}


def test_the_text_part_of_a_multimodal_model_counts() -> None:
    nested = {"quantization_config": MISTRAL["quantization_config"], "text_config": MISTRAL}
    assert from_config(nested) == from_config(MISTRAL)


def test_heads_are_divisible() -> None:
    three = {"models__0__tensorParallel": 3, "gpuGroups__0__gpu__count": 4}
    reported = errors(facts(MISTRAL), **three)
    assert "32 attention heads" in reported["rayline:models[0].tensorParallel"]
    assert reported["rayline:models[0].tensorParallel"].endswith("' 2")
    assert errors(facts(MISTRAL), **{**three, "models__0__tensorParallel": 4}) == {}
    assert errors(**three) == {}  # not known, so not refused


def test_on_the_cpu_no_cards_memory_is_checked() -> None:
    assert errors(models__0__weightsGib=500, image__device="cpu") == {}


@given(
    st.floats(0.1, 200), st.floats(1, 2000), st.integers(1, 200_000), st.integers(1, 8),
    st.integers(1, 4),
)  # fmt: skip
def test_more_cards_never_need_more_of_each(
    weights: float, kv: float, tokens: int, tensor: int, pipeline: int
) -> None:
    def need(gpus: dict[str, int]) -> float:
        s = settings(
            models__0__weightsGib=weights,
            models__0__kvKibPerToken=kv,
            models__0__maxModelLen=tokens,
            **gpus,
        )
        reported = memory.need(s.models[0], s.gpu_groups[0], ModelFacts())
        assert reported is not None
        return reported.total

    one = need({})
    many = need({"models__0__tensorParallel": tensor, "models__0__pipelineParallel": pipeline})
    assert many <= one + 1e-9


def test_typed_arguments_have_no_second_spelling() -> None:
    assert len(set(TYPED_ARGUMENTS.values())) == len(TYPED_ARGUMENTS)
