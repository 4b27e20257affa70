"""The start of the plug-in's process, without an engine."""

import subprocess
import sys

from tests.infra.providers.engine.programs import ROOT


def test_the_plug_in_starts_without_slow_imports() -> None:
    """Importing kubernetes takes half a second, which would slow down every preview."""
    code = (
        "import sys; from infra.providers.plugin import server\n"
        "print([heavy for heavy in ('argon2', 'kubernetes', 'pydantic')"
        " if heavy in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
