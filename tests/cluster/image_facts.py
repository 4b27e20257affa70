"""Runs inside the service's image and prints the facts that its tests check, as JSON."""

import json
import os
import struct
import subprocess
import sysconfig
import time
from pathlib import Path

WEIGHTS = {".bin", ".ckpt", ".ggml", ".gguf", ".onnx", ".pt", ".pth", ".safetensors"}
LARGE = 10_000_000
"""Bytes. A package may contain a table in a model's format; a model is larger than this."""


def weights() -> list[str]:
    found = []
    for top in ("/home", "/srv", "/data", "/opt", "/tmp", "/mnt"):
        for folder, _, names in os.walk(top):
            paths = (Path(folder, name) for name in names if Path(name).suffix in WEIGHTS)
            found += [str(path) for path in paths if path.lstat().st_size > LARGE]
    return found


def stale() -> list[str]:
    """Compiled modules whose recorded time differs from their source's, so that they are compiled
    again at each use.

    Only on each package's first level, because opening all 25,000 takes longer than all the rest.
    """
    site = Path(sysconfig.get_path("purelib"))
    found = []
    for compiled in site.glob("*/__pycache__/*.pyc"):
        with compiled.open("rb") as file:
            _, flags, seconds = struct.unpack("<4sLL", file.read(12))
        source = compiled.parent.parent / f"{compiled.name.partition('.')[0]}.py"
        if flags == 0 and source.exists() and int(source.stat().st_mtime) != seconds:
            found.append(str(compiled))
    return found


def main() -> None:
    begun = time.monotonic()
    import ray
    import vllm

    import app.main

    seconds = time.monotonic() - begun
    proxy = os.environ["RAY_SERVE_HAPROXY_BINARY_PATH"]
    version = subprocess.run([proxy, "-v"], capture_output=True, text=True, check=True).stdout
    writable = [str(p) for p in Path("/srv").rglob("*") if os.access(p, os.W_OK)]
    facts = {
        "user": [os.getuid(), os.getgid()],
        "import seconds": seconds,
        "ray": ray.__version__,
        "vllm": vllm.__version__,
        "app": app.main.__file__,
        "model": type(app.main.application).__name__,
        "haproxy": version.splitlines()[0],
        "writable": writable,
        "weights": weights(),
        "stale": stale(),
    }
    print(json.dumps(facts))


main()
