"""What `pulumi-resource-rayline` runs: `python __main__.py ... ENGINE_ADDRESS`."""

import sys
from pathlib import Path

# Python puts this folder first, where `server` and the like would be top-level modules. Instead,
# `infra` is that of this checkout, whether or not it is installed in the environment.
sys.path[0] = str(Path(__file__).resolve().parents[3])

from infra.providers.plugin.server import serve  # noqa: E402

if __name__ == "__main__":
    serve(sys.argv[-1])
