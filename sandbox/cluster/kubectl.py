"""Runs kubectl with the sandbox's kubeconfig."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain.errors import CommandError


@dataclass(frozen=True)
class Kubectl:
    """Runs `binary` with `kubeconfig`; every call has a time limit, so none can hang."""

    binary: Path
    kubeconfig: Path

    def run(self, *arguments: str, given: str = "", timeout: float = 60.0) -> str:
        """Run kubectl with `given` on its standard input, for at most `timeout` seconds.

        Returns the output. Raises `CommandError` with kubectl's own message when it fails.
        """
        command = [str(self.binary), f"--kubeconfig={self.kubeconfig}", *arguments]
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise CommandError(
                f"`kubectl {' '.join(arguments)}` did not finish within {timeout:.0f} s."
            ) from None
        if done.returncode:
            raise CommandError(f"`kubectl {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done.stdout

    def apply(self, documents: list[dict[str, Any]]) -> None:
        """Apply the documents in their order, overriding what others changed in them."""
        everything = {"apiVersion": "v1", "kind": "List", "items": documents}
        self.run(
            "apply", "--server-side", "--force-conflicts", "-f", "-", given=json.dumps(everything)
        )
