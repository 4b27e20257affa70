"""Whether the weights and the KV cache of one sequence of maxModelLen fit the cards of the group.

Per card: (weights - offloaded) + KV cache + overhead <= gpuMemoryUtilization x memory, where memory
is what PyTorch sees of it (`infra.facts.cards`). Weights are
divided by all cards of a replica; layers by the stages; KV heads by tensor parallelism, with at
least one per card (vLLM 0.32, config/model.py: get_num_kv_heads). vLLM refuses to start if the KV
cache is smaller than one sequence of maxModelLen (v1/core/kv_cache_utils.py:
check_enough_kv_cache_memory).
"""

import math
from dataclasses import dataclass

from infra.facts.cards import visible_gib
from infra.facts.machine import Facts
from infra.facts.model_facts import DTYPE_BYTES, ModelFacts
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.problems import Problem, error, key_path, set_command, warning
from infra.settings.gpu_groups import GpuGroup
from infra.settings.models import Model

GIB = 1024**3
OVERHEAD_GIB = 0.5
"""CUDA context and libraries of each process. Always needed, so a lack of it is an error."""
ACTIVATIONS_GIB = 1.0
"""Activations of a usual batch, sampler, CUDA graphs. Depends on the model, so a shortage is a
warning."""
_MAXIMUM_STAGES = 64
"""The advice tries up to this many pipeline stages if the number of layers is unknown."""
_BLOCK = 16
"""vLLM's tokens per KV block."""
_KV_BYTES = {"fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "fp8_inc": 1, **DTYPE_BYTES}


@dataclass(frozen=True)
class Need:
    """GiB per card. `kv` is None if it is not known."""

    weights: float
    kv: float | None
    tokens: int | None
    budget: float

    @property
    def total(self) -> float:
        """GiB per card, with the overhead of a process."""
        return self.weights + (self.kv or 0.0) + OVERHEAD_GIB


@rule
def models_fit_their_cards(settings: StackSettings, facts: Facts) -> list[Problem]:
    """Weights and one sequence of KV cache, on every card of a replica."""
    if settings.image.device == "cpu":
        return []
    groups = {group.name for group in settings.gpu_groups}
    return [
        problem
        for number, model in enumerate(settings.models)
        if model.gpu_group in groups
        for problem in _fits(settings, number, facts.of(model))
    ]


@rule
def attention_heads_are_divisible(settings: StackSettings, facts: Facts) -> list[Problem]:
    """vLLM 0.32, config/model.py: verify_with_parallel_config."""
    if settings.image.device == "cpu":
        return []
    problems = []
    for number, model in enumerate(settings.models):
        heads = facts.of(model).heads
        if heads is None or heads % model.tensor_parallel == 0:
            continue
        key = key_path("models", number, "tensorParallel")
        divisors = [n for n in range(1, min(heads, 8) + 1) if heads % n == 0]
        nearest = max((n for n in divisors if n < model.tensor_parallel), default=1)
        problems.append(
            error(
                key,
                f"is {model.tensor_parallel}, but {model.source} has {heads} attention heads, "
                f"which must be divisible by it: {', '.join(map(str, divisors))}. "
                f"Type: {set_command(key, nearest)}",
            )
        )
    return problems


def need(model: Model, group: GpuGroup, known: ModelFacts) -> Need | None:
    """Memory that each card needs; None if the size of the weights is unknown."""
    if model.weights_gib is not None:
        weights = model.weights_gib
    elif known.weight_bytes is not None:
        weights = known.weight_bytes / GIB
    else:
        return None
    tokens = model.max_model_len or known.max_length
    kv = None
    if tokens is not None:
        per_token = kv_bytes_per_card(model, known)
        if per_token is not None:
            kv = per_token * math.ceil(tokens / _BLOCK) * _BLOCK / GIB
    return Need(
        weights=max(0.0, weights / model.gpus - (model.cpu_offload_gb or 0.0)),
        kv=kv,
        tokens=tokens,
        budget=model.gpu_memory_utilization * visible_gib(group.gpu.model, group.gpu.memory_gib),
    )


def kv_bytes_per_card(model: Model, known: ModelFacts) -> float | None:
    """Bytes of KV cache per token on each card; None if it is not known."""
    if model.kv_kib_per_token is not None:
        return model.kv_kib_per_token * 1024 / model.gpus
    element = element_bytes(model, known)
    if element is None or known.layers is None or known.kv_heads is None:
        return None
    layers = math.ceil(known.layers / model.pipeline_parallel)
    heads = max(1, known.kv_heads // model.tensor_parallel)
    return known.kv_bytes_per_token(layers, heads, element)


def element_bytes(model: Model, known: ModelFacts) -> int | None:
    """Bytes of one number in the KV cache; None if its type is not known."""
    arguments = {name.replace("-", "_"): value for name, value in model.engine_args.items()}
    kind = arguments.get("kv_cache_dtype", "auto")
    if kind == "auto":
        kind = model.dtype if model.dtype != "auto" else (known.dtype or "float16")
        # vLLM's "auto" serves a float32 checkpoint in half precision (_resolve_auto_dtype).
        kind = "float16" if model.dtype == "auto" and kind == "float32" else kind
    return _KV_BYTES.get(str(kind))


def _fits(settings: StackSettings, number: int, known: ModelFacts) -> list[Problem]:
    model = settings.models[number]
    group = settings.group(model.gpu_group)
    key = key_path("models", number)
    card = need(model, group, known)
    if card is None:
        size = key_path("models", number, "weightsGib")
        return [
            warning(
                size,
                f"is not set, and {model.source} is not in the local Hugging Face cache, so "
                f"rayline cannot check whether it fits cards of {group.gpu.memory_gib:g} GiB. "
                f"`rayline facts {model.name}` reads it from the hub. Or type: "
                f"{set_command(size, '<GiB of all weight files>')}",
            )
        ]
    parts = f"{card.weights:.1f} GiB of weights"
    parts += f" + {card.kv:.1f} GiB of KV cache for {card.tokens} tokens" if card.kv else ""
    visible = visible_gib(group.gpu.model, group.gpu.memory_gib)
    comparison = (
        f"needs {card.total:.1f} GiB on each card ({parts} + {OVERHEAD_GIB:g} GiB overhead), but "
        f"{model.gpu_memory_utilization:g} x {visible:.2f} GiB = {card.budget:.1f} GiB may be used "
        f"on a card of {group.name} (PyTorch sees {visible:.2f} GiB of {group.gpu.memory_gib:g})"
    )
    if card.total > card.budget:
        advice = _repairs(settings, number, known, card)
        return [error(key, f"({model.name}) {comparison}. {advice}")]
    problems = []
    if card.kv is None:
        why = known.odd_attention or (
            "its config.json is not in the local Hugging Face cache; "
            f"`rayline facts {model.name}` reads it from the hub"
        )
        kv = key_path("models", number, "kvKibPerToken")
        problems.append(
            warning(
                kv,
                f"is not set and cannot be computed ({why}), so only the weights are checked. "
                f"Type: {set_command(kv, '<KiB per token>')}",
            )
        )
    if card.total + ACTIVATIONS_GIB > card.budget:
        problems.append(
            warning(
                key,
                f"({model.name}) {comparison}; less than {ACTIVATIONS_GIB:g} GiB is left for "
                "activations, so the engine may not start",
            )
        )
    return problems


def _repairs(settings: StackSettings, number: int, known: ModelFacts, card: Need) -> str:
    """What to type: a shorter context if one fits, or as many cards as are needed."""
    more = _more_cards(settings, number, known)
    room = card.budget - card.weights - OVERHEAD_GIB
    if card.kv and card.tokens and room > 0:
        tokens = int(card.tokens * room / card.kv) // _BLOCK * _BLOCK
        if tokens >= _BLOCK:
            key = key_path("models", number, "maxModelLen")
            shorter = f"Type: {set_command(key, tokens)}"
            return f"{shorter}, or use more cards: {more}" if more else shorter
    if more:
        return f"Use more cards, a smaller model or a quantized one. Type: {more}"
    key = key_path("models", number, "gpuGroup")
    return (
        "No number of these cards is enough. Use larger cards, a smaller model or a quantized one. "
        f"Type: {set_command(key, '<a group with larger cards>')}"
    )


def _more_cards(settings: StackSettings, number: int, known: ModelFacts) -> str | None:
    """The commands for the smallest number of pipeline stages that fits; with more workers if the
    group has too few cards for them. None if no number fits."""
    model = settings.models[number]
    group = settings.group(model.gpu_group)
    for stages in range(model.pipeline_parallel + 1, (known.layers or _MAXIMUM_STAGES) + 1):
        split = model.model_copy(update={"pipeline_parallel": stages})
        card = need(split, group, known)
        if card is None or card.total > card.budget:
            continue
        commands = [set_command(key_path("models", number, "pipelineParallel"), stages)]
        others = [m for m in settings.models if m is not model and m.gpu_group == group.name]
        cards = sum(each.replicas * each.gpus for each in (split, *others))
        if group.gpu.count and cards > group.workers * group.gpu.count:
            key = key_path("gpuGroups", settings.gpu_groups.index(group), "workers")
            commands.append(set_command(key, math.ceil(cards / group.gpu.count)))
        return ", then: ".join(commands)
    return None
