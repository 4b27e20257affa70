"""Runs the sandbox's command line."""

import subprocess
import sys

from toolchain.paths import CHECKOUT


def sandbox_command(*arguments: str, timeout: float = 900) -> "subprocess.CompletedProcess[str]":
    """Run `python -m sandbox ...` as the Makefile does."""
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
