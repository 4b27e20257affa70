"""Runs inside the GPU image, on a machine that needs no GPU, and writes facts about it as JSON.

FlashInfer compiles one of its modules for the GPU architecture of `ARCHITECTURE`, as it does when a
model starts, and the next process must find the result.
"""

import json
import os
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

ARCHITECTURE = "8.6"
"""Compute capability of an RTX 3090."""
COMPILE = """
from flashinfer.jit.sampling import gen_sampling_module
module = gen_sampling_module()
module.build(need_lock=True)
print(module.jit_library_path)
"""


def versions() -> dict[str, str]:
    """The CUDA version of each part, by the part's own account."""
    import cuda.bindings
    import torch
    from flashinfer.jit import cpp_ext

    nvcc = output("nvcc", "--version")
    return {
        "torch": torch.version.cuda,
        "cuda.bindings": cuda.bindings.__version__,
        "FlashInfer": str(cpp_ext.get_cuda_version()),
        "nvcc on PATH": re.findall(r"release ([\d.]+)", nvcc)[0],
        "ptxas on PATH": re.findall(r"release ([\d.]+)", output("ptxas", "--version"))[0],
    }


def contested() -> list[str]:
    """Files that two packages contain with different content; the one installed last decides."""
    owners: dict[str, set[str]] = {}
    for distribution in metadata.distributions():
        for file in distribution.files or []:
            if file.hash is not None and file.suffix != ".pyc":
                owners.setdefault(str(file), set()).add(file.hash.value)
    return sorted(file for file, hashes in owners.items() if len(hashes) > 1)


def driver_stub(folder: Path) -> None:
    """A libcuda to link to. On GPU nodes NVIDIA's container toolkit brings the driver's own."""
    header = (Path(os.environ["CUDA_HOME"]) / "include" / "cuda.h").read_text()
    names = sorted(set(re.findall(r"\b(cu[A-Z]\w+) *\(", header)))
    source = folder / "stub.c"
    source.write_text("".join(f"void {name}(void) {{}}\n" for name in names))
    library = str(folder / "libcuda.so")
    output("gcc", "-w", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", library, str(source))


def compiled(folder: Path) -> dict[str, object]:
    """Seconds of FlashInfer's build in a first and in a second process, and what it links to."""
    from app.engine.kernels import FOLDER, WORKSPACE, keep_kernels

    driver_stub(folder)
    environ = {
        **os.environ,
        FOLDER: str(folder / "kernels"),
        "FLASHINFER_CUDA_ARCH_LIST": ARCHITECTURE,
        "LIBRARY_PATH": str(folder),
    }
    keep_kernels(environ)
    seconds, library = [], ""
    for _ in range(2):
        begun = time.monotonic()
        library = output(sys.executable, "-c", COMPILE, env=environ).splitlines()[-1]
        seconds.append(round(time.monotonic() - begun, 1))
    needed = re.findall(r"NEEDED.*\[(.*)\]", output("readelf", "-d", library))
    workspace = environ[WORKSPACE]
    assert library.startswith(workspace), library
    return {"seconds": seconds, "links to": needed, "workspace": workspace}


def output(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def main() -> None:
    begun = time.monotonic()
    import flashinfer  # noqa: F401
    import vllm  # noqa: F401
    from vllm.utils.flashinfer import has_flashinfer

    imported = round(time.monotonic() - begun, 1)
    folder = Path("/tmp/inside")
    folder.mkdir()
    facts = {
        "import seconds": imported,
        "versions": versions(),
        "vLLM uses FlashInfer": has_flashinfer(),
        "CUDA_HOME": os.path.realpath(os.environ["CUDA_HOME"]),
        "kernels": compiled(folder),
        "contested files": contested(),
        "pip check": output(sys.executable, "-m", "pip", "check").strip(),
    }
    Path(sys.argv[1]).write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
