"""`rayline:models`."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from infra.settings.api import Api
from infra.settings.framework.base import Settings
from infra.settings.framework.grammar import Count, Env, Line, Seconds
from infra.settings.framework.text import Text

ModelName = Annotated[
    str,
    Text(
        r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?",
        "at most 63 letters, digits, ., _ and -, which begin and end with a letter or digit",
        "<name>",
        63,
    ),
]
Alias = Annotated[
    str,
    Text(
        r"[A-Za-z0-9](?:[A-Za-z0-9._:/@+-]*[A-Za-z0-9])?",
        "at most 256 letters, digits, ., _, :, /, @, + and -, which begin and end with a letter "
        "or digit",
        "Qwen/Qwen2.5-7B-Instruct",
        256,
    ),
]
Revision = Annotated[
    str, Text(r"[0-9a-f]{40}", "40 hexadecimal digits", "<40 hexadecimal digits>", 40)
]
PicklePattern = Annotated[
    str,
    Text(
        r"[A-Za-z0-9._*?-][A-Za-z0-9._*?/-]*",
        "the path of a file in the repository, or its name, with * and ? as wildcards",
        "pytorch_model*.bin",
        256,
    ),
]
Route = Annotated[str, Text(r"/[A-Za-z0-9._/-]*", "a path such as /name, or /", "/name", 256)]


class ExtraSource(Settings):
    """Another repository of the hub that a model needs, at a commit."""

    source: Annotated[
        str,
        Text(
            r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*",
            "a repository of the hub as owner/name",
            "<owner>/<name>",
            200,
        ),
    ]
    """The repository as owner/name."""
    revision: Revision
    """Commit, 40 hexadecimal digits."""
    use: Literal["model", "adapter", "files"] | None = None
    """model: with its weights. adapter: a LoRA adapter. files: configuration, tokenizer and code,
    without weights. Absent: as the engine argument that names it needs; otherwise files."""


class Model(Settings):
    """One model: one download Job and one Serve application."""

    name: ModelName
    """Name of the Serve application; clients send it as `model`."""
    aliases: tuple[Alias, ...] = Field((), max_length=100)
    """Other names by which clients may call the model, for example its name on the hub. Answers
    contain `name`, whichever was sent."""
    source: Line
    """A model of the hub (owner/name), or a folder of the claim (/data/model-cache/...)."""
    revision: Revision | None = None
    """Commit of the hub's repository, 40 hexadecimal digits. Required for a model of the hub: a
    branch could point to different weights tomorrow."""
    extra_sources: tuple[ExtraSource, ...] = Field((), max_length=100)
    """Other repositories that the model needs: those that engineArgs name (tokenizer, draft model,
    LoRA adapters), and those whose code its configuration names (auto_map). Replicas are offline,
    so the download Job fetches them too."""
    allow_pickle: tuple[PicklePattern, ...] = Field((), max_length=100)
    """Files that may be in Python's pickle format, which can run code when they are loaded: weights
    in .bin and .pt, and .pth, .ckpt and .pkl for the model's own code. Paths or names, with * and
    ?. Absent: such files are refused where vLLM would load them."""
    gpu_group: Line
    """Name of the group in gpuGroups that serves the model."""
    replicas: Count = 1
    """Number of engines; each one uses tensorParallel x pipelineParallel cards."""
    tensor_parallel: Count = 1
    """Number of cards that share each layer, all in one worker."""
    pipeline_parallel: Count = 1
    """Number of consecutive stages that the layers are split into. On GPUs, stages may run on
    different workers."""
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    """Data type of the activations. For AWQ, use float16 (vLLM also accepts bfloat16, but not
    float32)."""
    max_model_len: int | None = Field(None, ge=1, le=1_000_000_000)
    """Maximum number of tokens of prompt and answer together; absent: the model's own limit."""
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """Fraction of the card's memory for weights and KV cache."""
    max_num_seqs: int | None = Field(None, ge=1, le=1_000_000)
    """Number of requests that the engine processes at once; absent: 256."""
    cpu_offload_gb: float | None = Field(None, ge=0, le=100_000)
    """GiB of weights kept in the worker's memory instead of the card's."""
    chunked_prefill: bool | None = None
    """Mix prefill and decode in one step; absent: vLLM decides."""
    enforce_eager: bool | None = None
    """Disable CUDA graphs: less memory, but slower; absent: vLLM decides."""
    engine_args: dict[str, JsonValue] = Field({})
    """Any other engine argument of vLLM, for example {"quantization": "awq_marlin"}."""
    env: Env = Field({})
    """Additional environment of this model's replicas. Not for secrets."""
    route: Route | None = None
    """Route prefix; absent: /<name>. One model may have /."""
    cpus: float = Field(1, gt=0, le=10_000)
    """Ray CPUs per replica."""
    drain_seconds: Seconds = 120
    """How long running streams may take to finish when a replica stops."""
    stall_seconds: int = Field(300, ge=0, le=2**31 - 1)
    """After how long without a response the engine counts as hung and is restarted; 0 disables the
    check."""
    api: Api | None = None
    """Settings of the guard of this model; a key that is absent has the value of rayline:api."""
    weights_gib: float | None = Field(None, gt=0, le=100_000)
    """Size of the weights, for the check that they fit. `rayline facts` writes it; absent: read
    from the local Hugging Face cache if the model is in it."""
    kv_kib_per_token: float | None = Field(None, gt=0, le=1_000_000)
    """KiB of KV cache per token, over all layers and cards, for the same check. `rayline facts`
    writes it; absent: computed from the model's config.json in the local Hugging Face cache. With
    grouped attention: 2 x layers x KV heads x head size x bytes of dtype / 1024."""

    @property
    def route_prefix(self) -> str:
        """Path under which Serve answers for the model."""
        return self.route or f"/{self.name}"

    @property
    def gpus(self) -> int:
        """Cards per replica."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def from_folder(self) -> bool:
        """Whether the weights are already in the claim, so that nothing is downloaded."""
        return self.source.startswith("/")
