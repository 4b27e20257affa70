"""Whether weights and one sequence of KV cache at maxModelLen fit the cards of the group.

Per card: (weights - offloaded) + KV cache + overhead <= gpuMemoryUtilization x memory. Weights are
shared by all cards of a replica; layers by the stages; KV heads by tensor parallelism, at least one
a card (vLLM 0.32, config/model.py: get_num_kv_heads). vLLM refuses to start with less KV cache than
one sequence of maxModelLen needs (v1/core/kv_cache_utils.py: check_enough_kv_cache_memory).
"""

import math
from dataclasses import dataclass

from infra.facts.gathering import Facts
from infra.facts.model_facts import DTYPE_BYTES, ModelFacts
from infra.settings import StackSettings
from infra.settings.models import Model
from infra.settings.problems import Problem, error, key_path, set_command, warning
from infra.settings.ray import GpuGroup

GIB = 1024**3
OVERHEAD_GIB = 0.5
"""CUDA context and libraries of each process: always there, so its lack is an error."""
ACTIVATIONS_GIB = 1.0
"""Activations of a usual batch, sampler, CUDA graphs: depends on the model, so a warning."""
_BLOCK = 16
"""vLLM's tokens per KV block."""
_KV_BYTES = {"fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "fp8_inc": 1, **DTYPE_BYTES}


@dataclass(frozen=True)
class Need:
    """GiB a card. `kv` None: not known."""

    weights: float
    kv: float | None
    tokens: int | None
    budget: float

    @property
    def total(self) -> float:
        return self.weights + (self.kv or 0.0) + OVERHEAD_GIB


def check(settings: StackSettings, facts: Facts) -> list[Problem]:
    found: list[Problem] = []
    if settings.image.requirements == "app-cpu.txt":
        return found
    groups = {group.name: group for group in settings.gpu_groups}
    for number, model in enumerate(settings.models):
        known = facts.of(model)
        found += _heads(number, model, known)
        group = groups.get(model.gpu_group)
        if group is not None:
            found += _fits(number, model, group, known)
    return found


def need(model: Model, group: GpuGroup, known: ModelFacts) -> Need | None:
    """What a card must hold; None when the weights' size is not known."""
    if model.weights_gib is not None:
        weights = model.weights_gib
    elif known.weight_bytes is not None:
        weights = known.weight_bytes / GIB
    else:
        return None
    tokens = model.max_model_len or known.longest
    kv = None
    if tokens is not None:
        per_token = _kv_bytes_per_card(model, known)
        if per_token is not None:
            kv = per_token * math.ceil(tokens / _BLOCK) * _BLOCK / GIB
    return Need(
        weights=max(0.0, weights / model.gpus - (model.cpu_offload_gb or 0.0)),
        kv=kv,
        tokens=tokens,
        budget=model.gpu_memory_utilization * group.gpu.memory_gib,
    )


def _kv_bytes_per_card(model: Model, known: ModelFacts) -> float | None:
    if model.kv_kib_per_token is not None:
        return model.kv_kib_per_token * 1024 / model.gpus
    element = _element_bytes(model, known)
    if element is None or known.layers is None or known.kv_heads is None:
        return None
    layers = math.ceil(known.layers / model.pipeline_parallel)
    heads = max(1, known.kv_heads // model.tensor_parallel)
    return known.kv_bytes_per_token(layers, heads, element)


def _element_bytes(model: Model, known: ModelFacts) -> int | None:
    given = {name.replace("-", "_"): value for name, value in model.engine_args.items()}
    kind = given.get("kv_cache_dtype", "auto")
    if kind == "auto":
        kind = model.dtype if model.dtype != "auto" else (known.dtype or "float16")
        # vLLM's "auto" serves a float32 checkpoint in half precision (_resolve_auto_dtype).
        kind = "float16" if model.dtype == "auto" and kind == "float32" else kind
    return _KV_BYTES.get(str(kind))


def _fits(number: int, model: Model, group: GpuGroup, known: ModelFacts) -> list[Problem]:
    key = key_path("models", number)
    card = need(model, group, known)
    if card is None:
        size = key_path("models", number, "weightsGib")
        return [
            warning(
                size,
                f"is not given, and {model.source} is not in the local Hugging Face cache: whether "
                f"it fits {group.gpu.memory_gib:g} GiB cards is not checked. "
                f"Type: {set_command(size, '<GiB of all weight files>')}",
            )
        ]
    parts = f"{card.weights:.1f} GiB of weights"
    parts += f" + {card.kv:.1f} GiB of KV cache for {card.tokens} tokens" if card.kv else ""
    sum_ = (
        f"needs {card.total:.1f} GiB on each card ({parts} + {OVERHEAD_GIB:g} GiB overhead), but "
        f"{model.gpu_memory_utilization:g} x {group.gpu.memory_gib:g} GiB = {card.budget:.1f} GiB "
        f"may be used on a card of {group.name}"
    )
    if card.total > card.budget:
        return [error(key, f"({model.name}) {sum_}. {_repairs(number, model, card)}")]
    found = []
    if card.kv is None:
        why = known.odd_attention or "its config.json is not in the local Hugging Face cache"
        kv = key_path("models", number, "kvKibPerToken")
        found.append(
            warning(
                kv,
                f"is not given, and cannot be computed ({why}): only the weights are checked. "
                f"Type: {set_command(kv, '<KiB a token>')}",
            )
        )
    if card.total + ACTIVATIONS_GIB > card.budget:
        found.append(
            warning(
                key,
                f"({model.name}) {sum_}; that is less than {ACTIVATIONS_GIB:g} GiB to spare for "
                "activations, so the engine may not start",
            )
        )
    return found


def _repairs(number: int, model: Model, card: Need) -> str:
    """What to type: a length that fits, where there is one; else more cards."""
    room = card.budget - card.weights - OVERHEAD_GIB
    if card.kv and card.tokens and room > 0:
        tokens = int(card.tokens * room / card.kv) // _BLOCK * _BLOCK
        if tokens >= _BLOCK:
            key = key_path("models", number, "maxModelLen")
            return f"Type: {set_command(key, tokens)}, or use more cards (pipelineParallel)"
    key = key_path("models", number, "pipelineParallel")
    return f"Use more cards, a smaller model or a quantized one; type: " \
           f"{set_command(key, model.pipeline_parallel * 2)}"  # fmt: skip


def _heads(number: int, model: Model, known: ModelFacts) -> list[Problem]:
    """vLLM 0.32, config/model.py: verify_with_parallel_config."""
    if known.heads is None or known.heads % model.tensor_parallel == 0:
        return []
    key = key_path("models", number, "tensorParallel")
    fits = [n for n in range(1, known.heads + 1) if known.heads % n == 0 and n <= 8]
    nearest = max((n for n in fits if n < model.tensor_parallel), default=1)
    return [
        error(
            key,
            f"is {model.tensor_parallel}, but {model.source} has {known.heads} attention heads, "
            f"which must be divisible by it: {', '.join(map(str, fits))}. "
            f"Type: {set_command(key, nearest)}",
        )
    ]
