"""Write requirements/*.txt from pyproject.toml: `make lock`.

Every file pins every package with hashes and names no index, so that everybody installs from an
index of their choice.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SETS = ("infra", "app-gpu", "app-cpu", "engine-tests", "bench-peers", "docs", "dev")
UNIVERSAL = ("infra", "docs", "dev")
"""Sets for the machines of operators and developers: any Python that pyproject.toml allows. The
others are for the image's Python."""
PLATFORM = "x86_64-manylinux_2_28"
"""glibc 2.28, the oldest version that torch's wheels support. Both base images have a newer one."""

HEADER = "# From pyproject.toml, extra `{name}`, by `make lock`; every line of it is generated.\n"


def command(name: str, output: Path) -> list[str]:
    """The resolver's command line for one set."""
    overrides = FOLDER / f"{name}.overrides"
    return [
        *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet"),
        *("--extra", name, "--output-file", str(output)),
        *("--python-version", "3.11"),
        *(("--universal",) if name in UNIVERSAL else ("--python-platform", PLATFORM)),
        *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-package", "rayline"),
        *("--no-emit-index-url", "--no-emit-find-links"),
        # Installed beside the service's set, so it must agree with it.
        *(("--constraint", str(FOLDER / "app-cpu.txt")) if name == "engine-tests" else ()),
        *(("--override", str(overrides)) if overrides.exists() else ()),
    ]


def main() -> int:
    """Write every set, one after the other."""
    for name in SETS:
        path = FOLDER / f"{name}.txt"
        print(f"  {path.relative_to(FOLDER.parent)}", flush=True)
        done = subprocess.run(command(name, path), cwd=FOLDER.parent, check=False)
        if done.returncode:
            return done.returncode
        path.write_text(
            HEADER.format(name=name) + path.read_text().removeprefix(HEADER.format(name=name))
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
