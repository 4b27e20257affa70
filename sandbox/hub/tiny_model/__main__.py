"""`python -m sandbox.hub.tiny_model FOLDER` trains the model there and prints its path."""

import sys
from pathlib import Path

from sandbox.hub.tiny_model.cache import ensure

if len(sys.argv) != 2:
    sys.exit("usage: python -m sandbox.hub.tiny_model FOLDER (the cache, created if missing)")
print(ensure(Path(sys.argv[1])))
