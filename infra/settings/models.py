"""What is served: models, where their weights come from, and Ray Serve itself."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from infra.settings.base import EnvName, Seconds, Settings

ModelName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)
]


class Model(Settings):
    """One model: one download Job and one Serve application."""

    name: ModelName
    """Name of the Serve application, and what clients put into `model`."""
    source: str = Field(min_length=1)
    """A model of the hub (owner/name), or a folder of the claim (/data/model-cache/...)."""
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    """Commit of the hub's repository, 40 hexadecimal digits. Required with a hub's model: a branch
    would serve other weights tomorrow."""
    gpu_group: str
    """Name of the group in gpuGroups that serves it."""
    replicas: int = Field(1, ge=1)
    """Copies of the engine; each takes tensorParallel x pipelineParallel cards."""
    tensor_parallel: int = Field(1, ge=1)
    """Cards that share each layer; inside one worker."""
    pipeline_parallel: int = Field(1, ge=1)
    """Stages of layers, one after another; over workers, on GPUs."""
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    """Type of the activations. AWQ needs float16 (vLLM takes bfloat16 too, but not float32)."""
    max_model_len: int | None = Field(None, ge=1)
    """Tokens of prompt and answer together; absent: the model's own limit."""
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """Share of the card's memory for weights and KV cache."""
    max_num_seqs: int | None = Field(None, ge=1)
    """Requests that the engine runs at once; absent: 256."""
    cpu_offload_gb: float | None = Field(None, ge=0)
    """GiB of weights kept in the worker's memory instead of the card's."""
    chunked_prefill: bool | None = None
    """Mix prefill and decode in a step; absent: vLLM decides."""
    enforce_eager: bool | None = None
    """No CUDA graphs: less memory, slower; absent: vLLM decides."""
    engine_args: dict[str, JsonValue] = Field({})
    """Any other engine argument of vLLM, such as {"quantization": "awq_marlin"}."""
    env: dict[EnvName, str] = Field({})
    """More environment for this model's replicas. Not for secrets."""
    route: str | None = Field(None, pattern=r"^/[A-Za-z0-9._/-]*$")
    """Route prefix; absent: /<name>. One model may have /."""
    cpus: float = Field(1, gt=0)
    """Ray CPUs of a replica."""
    drain_seconds: Seconds = 120
    """How long streams may finish when a replica stops."""
    weights_gib: float | None = Field(None, gt=0)
    """Size of the weights, for the check that they fit; absent: read from the local Hugging Face
    cache where the model is in it."""
    kv_kib_per_token: float | None = Field(None, gt=0)
    """KiB of KV cache that one token takes over all layers and cards, for the same check; absent:
    computed from the model's config.json in the local Hugging Face cache. With grouped attention:
    2 x layers x KV heads x head size x bytes of dtype / 1024."""

    @property
    def route_prefix(self) -> str:
        return self.route or f"/{self.name}"

    @property
    def gpus(self) -> int:
        """Cards of one replica."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def from_folder(self) -> bool:
        """The weights are in the claim already; nothing is downloaded."""
        return self.source.startswith("/")


class Hub(Settings):
    """Where weights are downloaded from."""

    endpoint: str = Field("https://huggingface.co", pattern=r"^https?://[^\s/]+(/[^\s]*)?$")
    """The hub, or a mirror that speaks its protocol (HF_ENDPOINT)."""


class Ingress(Settings):
    """The API's way in from outside. The dashboard never gets one."""

    host: str
    """Host name, such as llm.example.com."""
    class_name: str | None = None
    """Ingress class; absent: the cluster's default."""
    tls_secret: str | None = None
    """Existing Secret with the certificate; absent: no TLS here."""
    annotations: dict[str, str] = Field({})
    """Annotations for the ingress controller, such as time limits for long streams."""


class Serve(Settings):
    """How the Serve applications get into the cluster, and the API out of it."""

    delivery: Literal["restApi", "rayService"] = "restApi"
    """restApi: rayline posts them to Ray and waits for them; a change touches only what it names.
    rayService: KubeRay does it and brings them back by itself when the head is lost, but `up` waits
    for the first start and for a new cluster only, not for a changed model."""
    port: int = Field(8000, ge=1024, le=65535)
    """Port of Serve's proxies and of the API's Service."""
    ingress: Ingress | None = None
    """Absent: the API is reachable inside the cluster only."""
    replace_foreign: bool = False
    """Let Ray delete applications that this stack did not make; false: refuse, and name them."""


class Timeouts(Settings):
    """How long `pulumi up` waits before it says what is missing. Whole seconds."""

    pods_ready_seconds: Seconds = 1800
    """For head and workers, the first pull of a 20 GB image included."""
    download_seconds: Seconds = 14400
    """For one model's download."""
    model_ready_seconds: Seconds = 1200
    """For one change of the Serve applications until each is RUNNING."""
