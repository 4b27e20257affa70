"""Builds an image with BuildKit and pushes it to the sandbox's registry."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.images import registry
from sandbox.node import layout
from toolchain.errors import CommandError


def ensure(
    reference: str,
    context: Path,
    buildctl: Path,
    log: Path,
    arguments: Mapping[str, str] | None = None,
) -> bool:
    """Build the Dockerfile in `context` as `reference`, unless the registry has it already.

    The tag must depend on everything that determines the content. `arguments` are build arguments.
    Returns True when something was built.
    """
    if registry.digest(reference) is not None:
        return False
    command = [
        str(buildctl),
        f"--addr=unix://{layout.BUILDKIT_SOCKET}",
        "--timeout=60",
        "build",
        "--progress=plain",
        "--frontend=dockerfile.v0",
        f"--local=context={context}",
        f"--local=dockerfile={context}",
        *(f"--opt=build-arg:{name}={value}" for name, value in (arguments or {}).items()),
        f"--output=type=image,name={reference},push=true",
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        done = subprocess.run(
            command,
            stdout=stream,
            stderr=stream,
            # It sends traces to BuildKit after the build; on a busy machine that fails, and then a
            # build that succeeded ends with an error.
            env=os.environ | {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"},
            check=False,
        )
    # The registry decides: a failure of buildctl after the push does not undo the image.
    if done.returncode and registry.digest(reference) is None:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise CommandError(
            f"The image {reference} could not be built (exit code {done.returncode}):\n{last}",
            f"Log: {log}",
        )
    return True
