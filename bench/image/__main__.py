"""Builds the GPU image on the running sandbox, looks inside, and prints the figures as Markdown.

    python -m bench.image [--log FILE]

The base image is the sandbox's stand-in for rayproject/ray, which contains no CUDA: what is
measured and checked comes from the locked packages. Needs root, `zstd`, 30 GB of disk, and minutes;
a second run reuses BuildKit's layers. `make sandbox-down PURGE=1` removes everything again.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sandbox import paths
from sandbox.images import references, service_image
from sandbox.images.service_image import Build, Pushed, pushed
from sandbox.settings import from_environment
from toolchain.paths import CHECKOUT

FOLDER = Path(__file__).parent
REQUIREMENTS = "app-gpu.txt"
UNUSED = {"build_backend.py"}
"""Left in two packages by mistake; nothing imports it."""
DECOMPRESS = {"gzip": ("gzip", "-dc"), "zstd": ("zstd", "-dc")}


class Bench:
    """The builds of one run; their output goes to `log`."""

    def __init__(self, log: Path) -> None:
        settings = from_environment()
        self._base = references.references(settings).base
        self._repository = f"{settings.registry}/rayline-bench/gpu"
        self._log = log

    def built(self, context: Path, tag: str) -> tuple[Pushed, Build]:
        """Build and push the image of a checkout."""
        reference = f"{self._repository}:{tag}"
        done = self._checked(
            service_image.build(context, reference, self._base, requirements=REQUIREMENTS)
        )
        return pushed(reference), done

    def inspected(self, image: Pushed) -> dict[str, Any]:
        """What bench/image/inside.py finds in the image."""
        with tempfile.TemporaryDirectory() as out:
            options = [f"--opt=build-arg:IMAGE={image.reference}", "--no-cache"]
            options.append(f"--output=type=local,dest={out}")
            self._checked(service_image.buildctl(FOLDER, FOLDER, options))
            return dict(json.loads((Path(out) / "facts.json").read_text()))

    def _checked(self, done: Build) -> Build:
        with self._log.open("a") as stream:
            stream.write(done.log)
        if done.code:
            sys.exit(f"{done.log[-3000:]}\nThe build failed. Log: {self._log}")
        return done


def layers(image: Pushed) -> list[tuple[str, int, int]]:
    """(command, bytes as pushed, bytes unpacked) of each layer."""
    commands = [e["created_by"] for e in image.config["history"] if not e.get("empty_layer")]
    found = []
    for layer, command in zip(image.manifest["layers"], commands, strict=True):
        tool = DECOMPRESS[layer["mediaType"].rpartition("+")[2]]
        unpacked = 0
        with tempfile.TemporaryFile() as packed, image.stream(layer["digest"]) as blob:
            shutil.copyfileobj(blob, packed)
            packed.seek(0)
            with subprocess.Popen(tool, stdin=packed, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                while piece := process.stdout.read(1 << 20):
                    unpacked += len(piece)
        what = command.partition("set -e;")[2].strip() or command
        found.append((" ".join(what.split())[:50], layer["size"], unpacked))
    return found


def main() -> int:
    """Exit code 1: a build failed, there is more than one CUDA version, or packages overlap."""
    parser = argparse.ArgumentParser(prog="python -m bench.image", description=__doc__)
    parser.add_argument("--log", type=Path, default=paths.LOGS / "bench-image.log")
    bench = Bench(parser.parse_args().log)
    image, first = bench.built(CHECKOUT, "first")
    print(f"first build and push: {first.seconds:.0f} s\n")
    print("| layer | pushed, MB | unpacked, MB |\n|---|---|---|")
    for command, size, unpacked in layers(image):
        print(f"| `{command}` | {size / 1e6:.1f} | {unpacked / 1e6:.1f} |")
    facts = bench.inspected(image)
    print("\n" + json.dumps(facts, indent=2) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        context = service_image.checkout(Path(folder) / "checkout")
        with (context / "app" / "main.py").open("a") as source:
            source.write(f"# {folder}\n")
        changed, second = bench.built(context, "changed")
    print(f"after a change of app/: {changed.added_to(image):,} bytes in {second.seconds:.1f} s")
    minors = {".".join(version.split(".")[:2]) for version in facts["versions"].values()}
    print(f"CUDA: {', '.join(sorted(minors))}")
    return 0 if len(minors) == 1 and set(facts["contested files"]) <= UNUSED else 1


if __name__ == "__main__":
    sys.exit(main())
