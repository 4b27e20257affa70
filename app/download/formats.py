"""Which weight files of a folder vLLM loads.

The rule is that of vLLM 0.32, `vllm/model_executor/model_loader/default_loader.py`,
`_prepare_weights`: one format, only from the folder itself, and with safetensors only the files
that the format's index names. A format's index therefore matters only where that format is loaded:
beside safetensors, the index of sharded `.bin` files describes files that nobody reads.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from app.download.errors import MistakeError

SAFETENSORS_INDEX = "model.safetensors.index.json"
CONSOLIDATED_INDEX = "consolidated.safetensors.index.json"
BIN_INDEX = "pytorch_model.bin.index.json"
INDEXES = frozenset({SAFETENSORS_INDEX, CONSOLIDATED_INDEX, BIN_INDEX})

# https://github.com/huggingface/transformers: what the Trainer writes beside a model, and vLLM's
# `filter_files_not_needed_for_inference`.
TRAINING_STATE = (
    "training_args.bin", "optimizer.*", "scheduler.pt", "scaler.pt", "rng_state*.pth",
    "trainer_state.json", "zero_to_fp32.py",
)  # fmt: skip
# Weights in the suffix of a format, for another purpose or program.
NOT_THE_MODEL = (
    "adapter_model.*", "openvino_*.bin", "ggml-*.bin", "ggml_*.bin", "tokenizer.bin",
    "diffusion_pytorch_model*",
)  # fmt: skip
HEADS = ("joint_head.safetensors",)
"""Weights that no index names, because vLLM loads them by name beside the model's own
(`vllm/model_executor/models/clef_omni.py`)."""


@dataclass(frozen=True)
class Format:
    """Weight files match `pattern`. `index` lists the shards; vLLM enforces that of safetensors."""

    pattern: str
    index: str | None = None

    def matches(self, name: str) -> bool:
        """Whether the file of that name, without folder, contains the model's weights."""
        return fnmatchcase(name, self.pattern) and not is_other(name)

    @property
    def is_safetensors(self) -> bool:
        return self.pattern.endswith(".safetensors")


SAFETENSORS = Format("*.safetensors", SAFETENSORS_INDEX)
CONSOLIDATED = Format("consolidated*.safetensors", CONSOLIDATED_INDEX)
BIN = Format("*.bin", BIN_INDEX)
PT = Format("*.pt")

_MODEL = (SAFETENSORS, BIN, PT)
ORDER: dict[str, tuple[Format, ...]] = {
    "auto": (CONSOLIDATED, *_MODEL),
    "hf": _MODEL,
    "mistral": (CONSOLIDATED,),
    "npcache": (BIN, PT),
    "pt": (PT,),
    **dict.fromkeys(
        (
            "safetensors", "fastsafetensors", "instanttensor", "ipc_cache", "modelexpress",
            "runai_streamer", "runai_streamer_sharded",
        ),
        (SAFETENSORS,),
    ),
    # Their files are written by vLLM, and have no index.
    "sharded_state": (Format("*.safetensors"),),
    "tensorizer": (Format("*.tensors"),),
    "dummy": (),
}  # fmt: skip
"""vLLM's `load_format` -> the formats that it looks for, in order; `dummy` reads no weights."""


def is_training_state(name: str) -> bool:
    """Whether the file resumes a training, and is of no use for inference."""
    return any(fnmatchcase(name, pattern) for pattern in TRAINING_STATE)


def is_other(name: str) -> bool:
    """Whether the file only looks like weights of the model."""
    return is_training_state(name) or any(fnmatchcase(name, each) for each in NOT_THE_MODEL)


def chosen(names: Iterable[str], load_format: str = "auto") -> Format | None:
    """The format that vLLM loads from a folder with these files; None if there is none.

    `names` have no folder. MistakeError for a `load_format` that vLLM does not have.
    """
    known = list(names)
    return next((f for f in order(load_format) if any(f.matches(name) for name in known)), None)


def order(load_format: str) -> tuple[Format, ...]:
    """The formats of a `load_format`, which vLLM accepts in any case."""
    try:
        return ORDER[load_format.lower()]
    except KeyError:
        raise MistakeError(
            f"load_format is {load_format!r}; allowed: {', '.join(sorted(ORDER))}"
        ) from None


def wanted(load_format: str) -> str:
    """The formats of a `load_format`, for a message."""
    return " and ".join(f"no {each.pattern}" for each in order(load_format))
