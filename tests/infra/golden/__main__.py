"""`python -m tests.infra.golden` rewrites the golden files."""

from tests.infra.golden import update

for path in update():
    print(path)
