"""The opposite of a refusal: a model is spread over more cards than it needs.

Every stage of a pipeline waits for the one before it, through the network where stages are on
different nodes, and the loss of one card stops all of them. Replicas of the same total number of
cards answer independently. What they lose is room for the KV cache: each holds all the weights
(https://docs.vllm.ai/en/stable/serving/parallelism_scaling/).
"""

import math
from collections.abc import Iterator

from infra.facts.machine import Facts
from infra.rules.memory import ACTIVATIONS_GIB, GIB, OVERHEAD_GIB, Need, kv_bytes_per_card, need
from infra.rules.placement import each_group_has_room_for_its_models
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, hint, key_path, set_command
from infra.settings.models import Model

_MAXIMUM_CARDS = 4096
"""More cards per replica are a mistake, for which the rules of placement have the words."""


@rule
def a_model_uses_no_more_cards_than_it_needs(
    settings: StackSettings, facts: Facts
) -> list[Problem]:
    """A hint for each model that fits fewer cards, with activations, by the arithmetic of
    `infra.rules.memory`."""
    groups = {group.name: group for group in settings.gpu_groups if group.enabled}
    if settings.image.device == "cpu" or each_group_has_room_for_its_models(settings, facts):
        return []
    return [
        problem
        for number, model in enumerate(settings.models)
        if model.gpus > 1 and model.gpu_group in groups
        for problem in _hint(settings, number, facts)
    ]


def _hint(settings: StackSettings, number: int, facts: Facts) -> Iterator[Problem]:
    model, known = settings.models[number], facts.of(settings.models[number])
    group = settings.group(model.gpu_group)
    now = need(model, group, known)
    for smaller in _smaller(model):
        then = need(smaller, group, known)
        if now is None or then is None or then.kv is None or _room(then) < then.kv:
            continue
        changed = [*settings.models[:number], smaller, *settings.models[number + 1 :]]
        after = settings.model_copy(update={"models": tuple(changed)})
        if each_group_has_room_for_its_models(after, facts):
            continue  # for example, too few Ray CPUs for more replicas
        tokens, total = (
            math.floor(_room(each) * GIB / (kv_bytes_per_card(m, known) or math.inf))
            for each, m in ((then, smaller), (now, model))
        )
        cards = "1 card" if smaller.gpus == 1 else f"{smaller.gpus} cards"
        faster = (
            "replicas are faster and sturdier than pipeline stages"
            if model.pipeline_parallel > smaller.pipeline_parallel
            else "replicas answer more requests, while tensor parallelism answers one sooner"
        )
        commands = [
            set_command(key_path("models", number, name), value)
            for name, value, before in (
                ("pipelineParallel", smaller.pipeline_parallel, model.pipeline_parallel),
                ("tensorParallel", smaller.tensor_parallel, model.tensor_parallel),
                ("replicas", smaller.replicas, model.replicas),
            )
            if value != before
        ]
        yield hint(
            key_path("models", number),
            f"({model.name}) fits {cards} of {group.name} ({group.gpu.model}): it needs "
            f"{then.total:.1f} of {then.budget:.1f} GiB. {smaller.replicas} {faster}. Each replica "
            f"then has room for {tokens} tokens of KV cache; now it has room for {total}. "
            f"Type: {', then: '.join(commands)}",
        )
        return


def _smaller(model: Model) -> list[Model]:
    """The model on fewer cards per replica, with as many cards in total; the fewest cards first.

    Only divisors of the present numbers: they divide the attention heads, and fit a worker.
    """
    if model.gpus > _MAXIMUM_CARDS:
        return []
    splits = [
        (tensor, pipeline)
        for tensor in range(1, model.tensor_parallel + 1)
        for pipeline in range(1, model.pipeline_parallel + 1)
        if model.tensor_parallel % tensor == 0 and model.pipeline_parallel % pipeline == 0
    ]
    return [
        model.model_copy(
            update={
                "tensor_parallel": tensor,
                "pipeline_parallel": pipeline,
                "replicas": model.replicas * model.gpus // (tensor * pipeline),
            }
        )
        for tensor, pipeline in sorted(splits, key=lambda each: (each[0] * each[1], each[1]))
        if tensor * pipeline < model.gpus
    ]


def _room(card: Need) -> float:
    """GiB per card for the KV cache of all sequences."""
    return card.budget - card.weights - OVERHEAD_GIB - ACTIVATIONS_GIB
