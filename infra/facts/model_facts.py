"""Size and shape of a model, derived from its config.json and the size of its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DTYPE_BYTES: Mapping[str, int] = {"float16": 2, "bfloat16": 2, "float32": 4}
_NOT_PLAIN_ATTENTION = {
    "kv_lora_rank": "multi-head latent attention",
    "ssm_cfg": "state space layers",
    "state_size": "state space layers",
    "mamba_d_state": "state space layers",
    "mamba_num_heads": "state space layers",
    "linear_num_key_heads": "linear attention",
    "num_kv_shared_layers": "layers that share a KV cache",
    "attention_chunk_size": "chunked attention",
    "block_configs": "layers of different shapes",
    "is_encoder_decoder": "cross attention",
}


@dataclass(frozen=True)
class ModelFacts:
    """None means "not known". `weight_bytes` counts all files that vLLM would load; `odd_attention`
    is the reason why the KV cache cannot be computed from layers, heads and head size."""

    weight_bytes: int | None = None
    layers: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_size: int | None = None
    dtype: str | None = None
    max_length: int | None = None
    """Maximum number of tokens that the model was made for (max_position_embeddings)."""
    quantization: str | None = None
    odd_attention: str | None = None

    def kv_bytes_per_token(self, layers: int, kv_heads: int, element_bytes: int) -> int | None:
        """Size of the keys and values of one token, for that many layers and KV heads; None if
        unknown."""
        if self.odd_attention or self.head_size is None:
            return None
        return 2 * layers * kv_heads * self.head_size * element_bytes


def from_config(config: Mapping[str, Any], weight_bytes: int | None = None) -> ModelFacts:
    """Facts from a parsed config.json. For a multimodal model, those of its text part."""
    inner = config.get("text_config")
    text: Mapping[str, Any] = {**config, **inner} if isinstance(inner, Mapping) else config
    heads = _whole(text.get("num_attention_heads"))
    hidden = _whole(text.get("hidden_size"))
    head_size = _whole(text.get("head_dim"))
    if head_size is None and heads and hidden:
        head_size = hidden // heads
    quantization = config.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    dtype = text.get("dtype", text.get("torch_dtype"))
    return ModelFacts(
        weight_bytes=weight_bytes,
        layers=_whole(text.get("num_hidden_layers")),
        heads=heads,
        kv_heads=_whole(text.get("num_key_value_heads")) or heads,
        head_size=head_size,
        dtype=dtype if isinstance(dtype, str) else None,
        max_length=_whole(text.get("max_position_embeddings")),
        quantization=method.lower() if isinstance(method, str) else None,
        odd_attention=_odd_attention(text),
    )


def _odd_attention(text: Mapping[str, Any]) -> str | None:
    for key, name in _NOT_PLAIN_ATTENTION.items():
        if text.get(key):
            return name
    window = text.get("sliding_window")
    if window and text.get("use_sliding_window", True):
        return "sliding window attention"
    kinds = text.get("layer_types")
    if isinstance(kinds, list) and any(kind != "full_attention" for kind in kinds):
        return "layers of different kinds"
    return None


def _whole(value: object) -> int | None:
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**60
    return value if usable and isinstance(value, int) else None
