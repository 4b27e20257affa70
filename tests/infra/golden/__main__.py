"""`python -m tests.infra.golden`: write the golden files anew."""

from tests.infra.golden import update

for path in update():
    print(path)
