"""Where FlashInfer keeps the kernels that it compiles when a model starts.

Its own default is the container's home, so every new pod would compile them again, for minutes. A
pod of a GPU group therefore offers the folder `KERNEL_CACHE`, which outlives it and which the pods
of that group share.
"""

import fcntl
import logging
from collections.abc import MutableMapping
from importlib import metadata
from pathlib import Path

logger = logging.getLogger("rayline.kernels")

FOLDER = "KERNEL_CACHE"
WORKSPACE = "FLASHINFER_WORKSPACE_BASE"
# vLLM passes only some of the replica's variables on to its workers in other pods.
PASSED_ON = "VLLM_RAY_EXTRA_ENV_VARS_TO_COPY"
# FlashInfer has a folder per version and GPU architecture, but compares neither the compiler nor
# the ABI of what its kernels link to. (flashinfer/jit/env.py)
VERSIONS = ("nvidia-cuda-nvcc", "apache-tvm-ffi")


def keep_kernels(environ: MutableMapping[str, str]) -> None:
    """Set FlashInfer's variables to `KERNEL_CACHE`, if that is set and works as FlashInfer needs.

    Must run before vLLM starts its processes. A folder that cannot be written or locked, as on some
    network file systems, costs a start some minutes but never prevents it.
    """
    offered = environ.get(FOLDER)
    if not offered or environ.get(WORKSPACE):
        return
    try:
        versions = [f"{name}-{metadata.version(name)}" for name in VERSIONS]
    except metadata.PackageNotFoundError:  # the CPU image: there is nothing to compile
        return
    folder = Path(offered, "-".join(versions))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
    except OSError as error:
        logger.warning(
            "%s cannot keep compiled kernels (%s), so this pod compiles its own.", offered, error
        )
        return
    environ[WORKSPACE] = str(folder)
    environ[PASSED_ON] = ",".join(filter(None, (environ.get(PASSED_ON), WORKSPACE)))
