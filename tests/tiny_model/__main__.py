"""`python -m tests.tiny_model FOLDER` makes the model under FOLDER and prints where it lies."""

import sys
from pathlib import Path

from tests.tiny_model.cache import ensure

if len(sys.argv) != 2:
    sys.exit("usage: python -m tests.tiny_model FOLDER (the cache folder; made if absent)")
print(ensure(Path(sys.argv[1])))
