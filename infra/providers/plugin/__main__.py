"""What `pulumi-resource-rayline` runs: `python __main__.py ... ENGINE_ADDRESS`."""

import sys
from pathlib import Path

# `infra` is that of this checkout, whether or not it is installed in the environment. Without -I,
# Python has put this folder first, where `server` and the like would be top-level modules.
if not sys.flags.isolated:
    del sys.path[0]
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

try:
    from infra.providers.plugin.server import serve
except ImportError as error:
    # Pulumi creates an empty .venv where there is none, and an older one may lack a package.
    sys.exit(f"The Python environment {sys.prefix} is incomplete ({error}). Type: make setup")

if __name__ == "__main__":
    serve(sys.argv[-1])
